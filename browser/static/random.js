/**
 * Random numbers that are the same on every machine. A stream is named by integers, so that the page draws the same
 * nuclei for a seed as `nucleusnet sample --seed` does (nucleusnet_core/orders.py).
 *
 * Source: RFC 7693 (BLAKE2b); Salmon et al., SC 2011 (Philox-4x64-10), with the counter as numpy counts it.
 */

const MASK = (1n << 64n) - 1n;

const BLAKE_IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const BLAKE_SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
];
const STREAM = 0x6d6165727473n; // "stream" as a little-endian integer: the personalisation

const rotateRight = (word, bits) => ((word >> bits) | (word << (64n - bits))) & MASK;

function mix(v, [a, b, c, d], x, y) {
  v[a] = (v[a] + v[b] + x) & MASK;
  v[d] = rotateRight(v[d] ^ v[a], 32n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = rotateRight(v[b] ^ v[c], 24n);
  v[a] = (v[a] + v[b] + y) & MASK;
  v[d] = rotateRight(v[d] ^ v[a], 16n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = rotateRight(v[b] ^ v[c], 63n);
}

const QUARTERS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/** Return the BLAKE2b digest (16 bytes, two words) of at most 16 words, personalised "stream". */
function streamKey(words) {
  const h = [...BLAKE_IV];
  h[0] ^= 0x01010010n; // digest of 16 bytes, no key, fan-out and depth 1
  h[6] ^= STREAM;
  const m = Array.from({ length: 16 }, (_, i) => words[i] ?? 0n);
  const v = [...h, ...BLAKE_IV];
  v[12] ^= BigInt(8 * words.length);
  v[14] ^= MASK;
  for (const order of BLAKE_SIGMA) {
    QUARTERS.forEach((quarter, i) => mix(v, quarter, m[order[2 * i]], m[order[2 * i + 1]]));
  }
  return [h[0] ^ v[0] ^ v[8], h[1] ^ v[1] ^ v[9]];
}

function philox(counter, [k0, k1]) {
  let [c0, c1, c2, c3] = [counter, 0n, 0n, 0n];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2e7470ee14c6c93n * c0;
    const p1 = 0xca5a826395121157n * c2;
    [c0, c1, c2, c3] = [(p1 >> 64n) ^ c1 ^ k0, p1 & MASK, (p0 >> 64n) ^ c3 ^ k1, p0 & MASK];
    k0 = (k0 + 0x9e3779b97f4a7c15n) & MASK;
    k1 = (k1 + 0xbb67ae8584caa73bn) & MASK;
  }
  return [c0, c1, c2, c3];
}

/**
 * Return the first n 64-bit numbers of a stream.
 *
 * @param {number} n
 * @param {bigint[]} stream 1 to 16 integers from 0 to 2**64 - 1
 * @returns {bigint[]}
 */
export function randomKeys(n, stream) {
  const key = streamKey(stream);
  const keys = [];
  for (let counter = 1n; keys.length < n; counter++) keys.push(...philox(counter, key));
  return keys.slice(0, n);
}
