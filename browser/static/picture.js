/** Nuclei as pictures: their channels, the border of a mask, automatic contrast, the scale. */

import { decodePng } from "./png.js";
import { add, colourTable, paint } from "./tint.js";

const OUTLINE = 0xff4fd8ff; // opaque yellow, as a little-endian RGBA word
const PERCENTILES = [0.01, 0.998];

/**
 * Draw a nucleus on a canvas of its size.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Object<string, Uint8Array>} nucleus its images and mask as PNG bytes
 * @param {{layers: import("./channels.js").Layer[], outline: boolean}} look channels that it lacks are left out
 * @returns the decoded image of each layer, null where it lacks one
 */
export async function drawNucleus(canvas, nucleus, { layers, outline }) {
  const images = await Promise.all(layers.map(({ column }) => (nucleus[column] ? decodePng(nucleus[column]) : null)));
  const first = images.find(Boolean);
  if (!first) return images;
  const { width, height } = first;
  const data = new ImageData(width, height);
  images.forEach((image, i) => {
    if (image) (image === first ? paint : add)(data, image.pixels, colourTable(layers[i], image.bitDepth));
  });
  if (outline && nucleus.mask) {
    const words = new Uint32Array(data.data.buffer);
    for (const i of borderOf(await decodePng(nucleus.mask))) words[i] = OUTLINE;
  }
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return images;
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
export async function automaticContrast(nuclei, bitDepth, column = "image") {
  const counts = new Float64Array(2 ** bitDepth);
  for (const { [column]: image } of nuclei) {
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
