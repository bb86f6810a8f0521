/** Grey values to screen colours: one channel in grey, several added up in their colours. */

import { rgb } from "./channels.js";

const WHITE = "#ffffff";
const MOST_TABLES = 32;
const tables = new Map();

/**
 * Return the RGBA word, little-endian, of each grey value: black up to `min`, its whole colour from `max` on.
 *
 * @param {{min: number, max: number, colour: string | null}} layer null for grey
 * @returns {Uint32Array}
 */
export function colourTable({ min, max, colour }, bitDepth) {
  const key = `${min} ${max} ${colour} ${bitDepth}`;
  if (!tables.has(key)) {
    if (tables.size === MOST_TABLES) tables.clear();
    const words = new Uint32Array(2 ** bitDepth);
    const whole = rgb(colour ?? WHITE);
    for (let value = 0; value < words.length; value++) {
      const share = Math.min(1, Math.max(0, (value - min) / (max - min)));
      const [red, green, blue] = whole.map((part) => Math.round(share * part));
      words[value] = 0xff000000 | (blue << 16) | (green << 8) | red;
    }
    tables.set(key, words);
  }
  return tables.get(key);
}

/** Set the pixels of a picture to the colours of their grey values. */
export function paint(picture, values, table) {
  const words = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = table[values[i]];
}

/** Add the colours of grey values to those of a picture; what is too bright is clamped. */
export function add(picture, values, table) {
  const parts = new Uint8Array(table.buffer);
  const { data } = picture;
  for (let to = 0, from = 0; to < data.length; to += 4, from++) {
    const at = 4 * values[from];
    data[to] += parts[at];
    data[to + 1] += parts[at + 1];
    data[to + 2] += parts[at + 2];
  }
}
