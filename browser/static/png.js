/**
 * Grey PNGs as raw grey values. A canvas would cut 16 bits to 8; and the PNGs of a dataset are not compressed
 * (nucleusnet_core/cells/png.py), so that reading one here takes a tenth of a millisecond.
 *
 * Source: RFC 2083 (PNG), RFC 1950 and 1951 (zlib, deflate).
 */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const LONGEST_SIDE_PX = 8192;

/**
 * @param {Uint8Array} bytes a grey PNG of 1, 8 or 16 bits
 * @returns {Promise<{width: number, height: number, bitDepth: number, pixels: Uint8Array | Uint16Array}>} 1 bit
 *   becomes 0 and 1
 */
export async function decodePng(bytes) {
  const { header, data } = readChunks(bytes);
  const { width, height, bitDepth } = header;
  const rowBytes = Math.ceil((width * bitDepth) / 8);
  const lines = storedBlocks(data) ?? (await inflate(data));
  if (lines.length !== height * (rowBytes + 1)) {
    throw new Error(`the PNG holds ${lines.length} bytes of pixels instead of ${height * (rowBytes + 1)}.`);
  }
  const rows = unfilter(lines, rowBytes, Math.max(1, bitDepth / 8));
  return { width, height, bitDepth, pixels: samples(rows, { width, height, bitDepth, rowBytes }) };
}

function readChunks(bytes) {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new Error("the image is not a PNG.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [];
  let header;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (name === "IHDR") header = readHeader(view, at + 8);
    if (name === "IDAT") parts.push(content);
    at += length + 12;
  }
  if (!header || !parts.length) throw new Error("the PNG has no header or no pixels.");
  return { header, data: parts.length === 1 ? parts[0] : joined(parts) };
}

function readHeader(view, at) {
  const [width, height, bitDepth] = [view.getUint32(at), view.getUint32(at + 4), view.getUint8(at + 8)];
  const [colour, interlace] = [view.getUint8(at + 9), view.getUint8(at + 12)];
  if (colour !== 0 || ![1, 8, 16].includes(bitDepth) || interlace) {
    throw new Error(`the PNG has colour type ${colour}, ${bitDepth} bits${interlace ? ", interlaced" : ""}; only grey of 1, 8 or 16 bits can be shown.`);
  }
  if (!(width > 0 && height > 0 && width <= LONGEST_SIDE_PX && height <= LONGEST_SIDE_PX)) {
    throw new Error(`the PNG is ${width} x ${height} px; a side can have 1 to ${LONGEST_SIDE_PX} px.`);
  }
  return { width, height, bitDepth };
}

/** Return the contents of stored deflate blocks, or null if a block is compressed. */
function storedBlocks(data) {
  const parts = [];
  for (let at = 2; at + 5 <= data.length; ) {
    if (data[at] > 1) return null;
    const length = data[at + 1] | (data[at + 2] << 8);
    parts.push(data.subarray(at + 5, at + 5 + length));
    if (data[at] === 1) return parts.length === 1 ? parts[0] : joined(parts);
    at += 5 + length;
  }
  return null;
}

async function inflate(data) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
  const unpacked = new Response(stream).arrayBuffer().catch(() => {
    throw new Error("the pixels of the PNG are damaged and cannot be unpacked.");
  });
  return new Uint8Array(await unpacked);
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** Undo the filters of all rows; `step` is the number of bytes of a pixel. */
function unfilter(lines, rowBytes, step) {
  const height = lines.length / (rowBytes + 1);
  const rows = new Uint8Array(height * rowBytes);
  let above = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const from = y * (rowBytes + 1);
    if (lines[from] === 2 && y > 0) {
      // What `build` writes, in one loop without views of single rows.
      for (let to = y * rowBytes, i = 1; i <= rowBytes; i++, to++) rows[to] = lines[from + i] + rows[to - rowBytes];
      above = null;
      continue;
    }
    above ??= rows.subarray((y - 1) * rowBytes, y * rowBytes);
    const line = lines.subarray(from + 1, from + 1 + rowBytes);
    const row = rows.subarray(y * rowBytes, (y + 1) * rowBytes);
    unfilterRow(lines[from], line, row, { above, step });
    above = row;
  }
  return rows;
}

function unfilterRow(filter, line, row, { above, step }) {
  if (filter === 0) row.set(line);
  else if (filter === 2) for (let i = 0; i < row.length; i++) row[i] = line[i] + above[i];
  else if (filter === 1) for (let i = 0; i < row.length; i++) row[i] = line[i] + (i < step ? 0 : row[i - step]);
  else if (filter === 3) {
    for (let i = 0; i < row.length; i++) row[i] = line[i] + (((i < step ? 0 : row[i - step]) + above[i]) >> 1);
  } else if (filter === 4) {
    for (let i = 0; i < row.length; i++) {
      row[i] = line[i] + (i < step ? above[i] : paeth(row[i - step], above[i], above[i - step]));
    }
  } else throw new Error(`a row of the PNG has filter ${filter}; only 0 to 4 exist.`);
}

function paeth(left, up, upLeft) {
  const estimate = left + up - upLeft;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - upLeft)];
  return a <= b && a <= c ? left : b <= c ? up : upLeft;
}

function samples(rows, { width, height, bitDepth, rowBytes }) {
  if (bitDepth === 8) return rows;
  if (bitDepth === 16) {
    const pixels = new Uint16Array(width * height);
    for (let i = 0; i < pixels.length; i++) pixels[i] = (rows[2 * i] << 8) | rows[2 * i + 1];
    return pixels;
  }
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels[y * width + x] = (rows[y * rowBytes + (x >> 3)] >> (7 - (x & 7))) & 1;
  }
  return pixels;
}
