/** What the page shows, kept in its address, so that everybody with the link sees the same. */

import { defaultChannels, readChannels, writeChannels } from "./channels.js";

export const CHOICES_OF_N = [100, 250, 500, 1000, 2000, 4000];
export const MOST_N = 5000;
const MAX_SEED = (1n << 64n) - 1n;

/**
 * @typedef {object} View
 * @property {string} split a split, or several joined with +
 * @property {number} n how many nuclei
 * @property {string} seed decimal
 * @property {string} by column whose values tell nuclei apart
 * @property {string} value show only nuclei with this value in it; "" for all
 * @property {string} sort column that orders the sheet; "" for the order of the draw
 * @property {boolean} descending
 * @property {boolean} outline whether the border of the mask is drawn; by default where crops show surroundings
 * @property {number | null} min grey value shown black; null for automatic contrast
 * @property {number | null} max grey value shown white
 * @property {string[]} [channels] names of those that are shown, where the dataset has several
 * @property {Object<string, import("./channels.js").Setting>} [settings] of all channels by name
 * @property {string} open nucleus_id of the nucleus shown large; "" for none
 */

/** @returns {View} */
export function defaultView(info) {
  const [split] = Object.keys(info.splits);
  const n = Math.min(1000, info.splits[split]);
  const rest = { by: info.groupings[0], value: "", sort: "", descending: false, outline: info.surroundings, min: null, max: null, open: "" };
  return { split, n, seed: randomSeed(), ...rest, ...defaultChannels(info) };
}

export function randomSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

/** Read an address; parts that do not fit the dataset stay at their defaults and are listed. */
export function readView(hash, info) {
  const view = defaultView(info);
  const wrong = [];
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const take = (name, valid, convert = String) => {
    const text = given.get(name);
    if (text === null) return;
    if (valid(text)) view[name] = convert(text);
    else wrong.push(`${name}=${text.slice(0, 40)}`);
  };
  take("split", (text) => text.split("+").every((name, i, all) => name in info.splits && all.indexOf(name) === i));
  const most = Math.min(MOST_N, splitRows(view.split, info));
  view.n = Math.min(view.n, most);
  take("n", (text) => /^\d{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= most, Number);
  take("seed", isSeed);
  take("by", (text) => info.groupings.includes(text));
  take("value", () => true);
  take("sort", () => true);
  take("open", () => true);
  const grey = (text) => /^\d{1,5}$/.test(text) && Number(text) < 2 ** info.bitDepth;
  if (!view.settings) for (const end of ["min", "max"]) take(end, grey, Number);
  readChannels(given, view, info, wrong);
  if (view.min === null || view.max === null || view.min >= view.max) view.min = view.max = null;
  view.descending = given.get("order") === "descending";
  take("outline", (text) => /^[01]$/.test(text), (text) => text === "1");
  return { view, wrong };
}

/** Return the address of a view: what decides the sample, and whatever else differs from the defaults. */
export function writeView(view, info) {
  const { split, n, seed } = view;
  const parts = [["split", split], ["n", n], ["seed", seed]];
  if (view.by !== info.groupings[0]) parts.push(["by", view.by]);
  for (const name of ["value", "sort", "min", "max", "open"]) {
    if (view[name] !== "" && view[name] !== null) parts.push([name, view[name]]);
  }
  if (view.descending) parts.push(["order", "descending"]);
  if (view.outline !== info.surroundings) parts.push(["outline", Number(view.outline)]);
  parts.push(...writeChannels(view, info));
  return `#${new URLSearchParams(parts)}`;
}

export function isSeed(text) {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= MAX_SEED;
}

export function splitRows(split, info) {
  return split.split("+").reduce((sum, name) => sum + info.splits[name], 0);
}
