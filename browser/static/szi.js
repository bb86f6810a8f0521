/**
 * SZI files, zips of stored Deep Zoom tiles, of which only the index and the tiles in view are read.
 *
 * Source: PKWARE APPNOTE 6.3 (zip), sections 4.3.7, 4.3.12 and 4.3.16.
 */

import { ReadError } from "./ranges.js";

const END_BYTES = 22;
const TAIL_BYTES = 1 << 16;
const TILE = /_files\/(\d+)\/(\d+)_(\d+)\.(\w+)$/;
const TYPES = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp" };

export class Szi {
  /** @param {import("./ranges.js").Files} files @param {string} path @param {number} size of the file, bytes */
  constructor(files, path, size) {
    Object.assign(this, { files, path, size, tiles: new Map(), levels: 0 });
  }

  /** Read the index of the tiles. */
  async open() {
    const tailStart = Math.max(0, this.size - TAIL_BYTES);
    const tail = new DataView(await this.files.range(this.path, tailStart, this.size));
    const end = endOfDirectory(tail);
    if (end === null) throw new ReadError(`${this.path} is not a whole zip file; make it again with nucleusnet zoom.`);
    const [count, bytes, start] = [tail.getUint16(end + 10, true), tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)];
    if (start === 0xffffffff || count === 0xffff) throw new ReadError(`${this.path} is a zip of 4 GB or more, or of 65,535 files or more, which this page cannot read.`);
    const directory = start >= tailStart
      ? new DataView(tail.buffer, start - tailStart, bytes)
      : new DataView(await this.files.range(this.path, start, start + bytes));
    this.index(directory, count, start);
    return this;
  }

  index(view, count, directoryStart) {
    const entries = [];
    for (let at = 0, i = 0; i < count; i++) {
      const nameBytes = view.getUint16(at + 28, true);
      const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes));
      entries.push({ name, method: view.getUint16(at + 10, true), bytes: view.getUint32(at + 20, true), start: view.getUint32(at + 42, true) });
      at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    }
    entries.sort((a, b) => a.start - b.start);
    entries.forEach((entry, i) => {
      const tile = TILE.exec(entry.name);
      if (!tile || entry.method !== 0) return;
      const [, level, x, y, type] = tile;
      this.tiles.set(`${level}/${x}_${y}`, { ...entry, end: entries[i + 1]?.start ?? directoryStart, type: TYPES[type] });
      this.levels = Math.max(this.levels, Number(level) + 1);
    });
  }

  /** @returns {Promise<ImageBitmap>} */
  async tile(level, x, y, signal) {
    const entry = this.tiles.get(`${level}/${x}_${y}`);
    if (!entry) throw new ReadError(`${this.path} has no tile ${level}/${x}_${y}; make it again with nucleusnet zoom.`);
    const view = new DataView(await this.files.range(this.path, entry.start, entry.end, signal));
    const at = 30 + view.getUint16(26, true) + view.getUint16(28, true);
    const blob = new Blob([new Uint8Array(view.buffer, at, entry.bytes)], { type: entry.type });
    // Colours stand for labels, so nothing may be converted.
    return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  }
}

function endOfDirectory(view) {
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) if (view.getUint32(at, true) === 0x06054b50) return at;
  return null;
}

/** Return the tile source that OpenSeadragon reads an SZI file of a picture of this size from. */
export function tileSource(szi, { width, height }, { tilePx, overlapPx }) {
  const source = new window.OpenSeadragon.TileSource({
    width, height, tileSize: tilePx, tileOverlap: overlapPx, minLevel: 0, maxLevel: szi.levels - 1,
  });
  source.getTileUrl = (level, x, y) => `${szi.path}#${level}/${x}_${y}`;
  source.tileExists = (level, x, y) => szi.tiles.has(`${level}/${x}_${y}`);
  source.downloadTileStart = (job) => {
    const { level, x, y } = job.tile;
    job.userData.stop = new AbortController();
    szi.tile(level, x, y, job.userData.stop.signal).then(
      (bitmap) => job.finish(bitmap, null, "imageBitmap"),
      (error) => error.name === "AbortError" || job.fail(error.message, null),
    );
  };
  source.downloadTileAbort = (job) => job.userData.stop?.abort();
  return source;
}
