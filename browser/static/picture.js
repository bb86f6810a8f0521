/** Nuclei as pictures: grey values to screen colours, the border of a mask, automatic contrast, the scale. */

import { decodePng } from "./png.js";

const OUTLINE = 0xff4fd8ff; // opaque yellow, as a little-endian RGBA word
const PERCENTILES = [0.01, 0.998];
let table = { key: "", colours: null };

/** Return the RGBA word of each grey value: black up to `min`, white from `max` on. */
function colours(min, max, bitDepth) {
  const key = `${min} ${max} ${bitDepth}`;
  if (table.key !== key) {
    const words = new Uint32Array(2 ** bitDepth);
    for (let value = 0; value < words.length; value++) {
      const grey = Math.round(Math.min(1, Math.max(0, (value - min) / (max - min))) * 255);
      words[value] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    table = { key, colours: words };
  }
  return table.colours;
}

/**
 * Draw a nucleus on a canvas of its size.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{image: Uint8Array, mask: Uint8Array}} nucleus its image and mask as PNG bytes
 * @param {{min: number, max: number, outline: boolean}} look
 * @returns the decoded image
 */
export async function drawNucleus(canvas, nucleus, { min, max, outline }) {
  const image = await decodePng(nucleus.image);
  const { width, height, pixels } = image;
  const data = new ImageData(width, height);
  const words = new Uint32Array(data.data.buffer);
  const colour = colours(min, max, image.bitDepth);
  for (let i = 0; i < words.length; i++) words[i] = colour[pixels[i]];
  if (outline && nucleus.mask) {
    for (const i of borderOf(await decodePng(nucleus.mask))) words[i] = OUTLINE;
  }
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return image;
}

/** Return the positions of the mask's pixels that have a neighbour outside it or lie at the border of the frame. */
export function borderOf({ width, height, pixels }) {
  const border = [];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!pixels[i]) continue;
      const inner = x > 0 && x < width - 1 && y > 0 && y < height - 1 &&
        pixels[i - 1] && pixels[i + 1] && pixels[i - width] && pixels[i + width];
      if (!inner) border.push(i);
    }
  }
  return border;
}

/**
 * Return a contrast that suits some nuclei together: percentiles 1 and 99.8 of their pixels above 0. Nuclei with a
 * damaged image are left out; the sheet marks them.
 *
 * @returns {Promise<{min: number, max: number}>}
 */
export async function automaticContrast(nuclei, bitDepth) {
  const counts = new Float64Array(2 ** bitDepth);
  for (const { image } of nuclei) {
    const { pixels } = await decodePng(image).catch(() => ({ pixels: [] }));
    for (const value of pixels) counts[value]++;
  }
  counts[0] = 0;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return { min: 0, max: 2 ** bitDepth - 1 };
  const [min, max] = PERCENTILES.map((part) => {
    let sum = 0;
    return counts.findIndex((count) => (sum += count) >= part * total);
  });
  return { min, max: Math.max(max, min + 1) };
}

/** Return the longest of 1, 2, 5, 10, 20, 50, ... (or 0.5, 0.2, ...) that is at most `longest`. */
export function roundLength(longest) {
  const power = Math.floor(Math.log10(longest));
  const lengths = [5, 2, 1, 0.5].map((step) => Number(`${step}e${power}`)); // 2e-1 rather than 2 * 0.1
  return lengths.find((length) => length <= longest);
}

/** Count the grey values of an image in `bins` equal steps, without the empty surroundings of value 0. */
export function histogram({ pixels, bitDepth }, bins) {
  const counts = new Float64Array(bins);
  const width = 2 ** bitDepth / bins;
  for (const value of pixels) if (value) counts[Math.floor(value / width)]++;
  return counts;
}
