/**
 * Which rows a random sample takes, by the method `blocks` of nucleusnet_core/sampling/choose.py, which explains why every
 * nucleus has the same chance n / N. The same seed and number give the same nuclei in the same order as there.
 */

import { randomKeys } from "./random.js";

const UNIT_ROWS = 256;
const LEAST_RUNS = 4;
const SAMPLE = 0x73616d706c65n; // "sample"
const [START, ROTATION, OFFSET, ORDER, SHUFFLE, ROWS] = [0n, 1n, 2n, 3n, 4n, 5n];

/**
 * Choose n distinct rows.
 *
 * @param {number[]} shardRows rows of each shard, in order
 * @param {number} n 1 to their sum
 * @param {bigint} seed 0 to 2**64 - 1
 * @returns {number[]} row numbers through all shards, in random order
 */
export function chooseRows(shardRows, n, seed) {
  const total = shardRows.reduce((sum, rows) => sum + rows, 0);
  if (!(n >= 1 && n <= total)) throw new RangeError(`A sample can have 1 to ${total} nuclei; ${n} is out of that range.`);
  const sizes = unitSizes(shardRows);
  const count = Math.max(Math.min(LEAST_RUNS, n), Math.ceil(n / UNIT_ROWS));
  if (count * Math.max(...sizes) <= total && Math.ceil(n / count) <= Math.min(...sizes)) {
    return blockRows(sizes, total, { n, count, seed });
  }
  return smallest(randomKeys(total, [seed, SAMPLE, ROWS]), n);
}

/** Return the sizes of stretches of 256 rows or more; a smaller rest joins its neighbour. */
export function unitSizes(shardRows) {
  const sizes = [];
  let waiting = 0;
  const add = (rows) => {
    waiting += rows;
    if (waiting >= UNIT_ROWS) {
      sizes.push(waiting);
      waiting = 0;
    }
  };
  for (const rows of shardRows) {
    const whole = Math.max(0, Math.floor(rows / UNIT_ROWS) - 1);
    for (let i = 0; i < whole; i++) add(UNIT_ROWS);
    add(rows - UNIT_ROWS * whole);
  }
  if (waiting && sizes.length) sizes[sizes.length - 1] += waiting;
  else if (waiting) sizes.push(waiting);
  return sizes;
}

function blockRows(sizes, total, { n, count, seed }) {
  const order = smallest(randomKeys(sizes.length, [seed, SAMPLE, ORDER]), sizes.length);
  const [start] = numbersBelow([total], seed, START);
  const [rotation] = numbersBelow([count], seed, ROTATION);
  const units = placeRuns(order.map((unit) => sizes[unit]), count, start).map((place) => order[place]);
  const offsets = numbersBelow(units.map((unit) => sizes[unit]), seed, OFFSET);
  const firstRows = firsts(sizes);
  const rows = units.flatMap((unit, run) => {
    const extra = (run - rotation + count) % count < n % count ? 1 : 0;
    const length = Math.floor(n / count) + extra;
    return Array.from({ length }, (_, i) => firstRows[unit] + ((offsets[run] + i) % sizes[unit]));
  });
  return smallest(randomKeys(n, [seed, SAMPLE, SHUFFLE]), n).map((place) => rows[place]);
}

/** Lay the units on a line; return those on which `count` equally spaced points fall, starting at `start` / `count`. */
function placeRuns(sizes, count, start) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const places = [];
  let place = 0;
  let end = sizes[0] * count;
  for (let run = 0; run < count; run++) {
    while (end <= start + run * total) end += sizes[++place] * count;
    places.push(place);
  }
  return places;
}

/** Return the positions of the n smallest keys, by key. */
function smallest(keys, n) {
  const places = Array.from(keys, (_, place) => place);
  places.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
  return places.slice(0, n);
}

/** Return a random integer from 0 to below each bound, without the bias of a plain remainder. */
function numbersBelow(bounds, seed, purpose) {
  const limits = bounds.map(BigInt);
  const unfair = limits.map((limit) => (1n << 64n) % limit);
  const keys = randomKeys(limits.length, [seed, SAMPLE, purpose]);
  for (let attempt = 1n; keys.some((key, i) => key < unfair[i]); attempt++) {
    const others = randomKeys(limits.length, [seed, SAMPLE, purpose, attempt]);
    keys.forEach((key, i) => key < unfair[i] && (keys[i] = others[i]));
  }
  return keys.map((key, i) => Number(key % limits[i]));
}

/** Return the number of the first row of each stretch. */
export function firsts(sizes) {
  let next = 0;
  return sizes.map((size) => (next += size) - size);
}
