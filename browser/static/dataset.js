/** A NucleusNet dataset: its manifest, and rows from its Parquet files (shards), one request for each row group. */

import { parquetMetadata } from "./vendor/hyparquet/metadata.js";
import { parquetRead } from "./vendor/hyparquet/read.js";
import { decompress } from "./vendor/fzstd/index.js";
import { channelsOf } from "./channels.js";
import { Files, ReadError } from "./ranges.js";
import { chooseRows, firsts } from "./sampling.js";

const FORMAT = 2;
const CONFIG = "default";
const MANY_AT_ONCE = 6; // requests, as many as browsers make to one host
const FEW_AT_ONCE = 2; // large requests: the first nuclei come early, and one is unpacked while the next is read
const MANY = 0.5; // a row group is read whole, in one request, when more than this part of its rows is wanted
// No output buffer is passed: fzstd 0.1.1 compares it with a number as text first, which takes five times as long.
const compressors = { ZSTD: (input) => decompress(input) };

/** @typedef {{config: string, split: string, path: string, rows: number, bytes: number, footer_bytes: number,
 *   footer_sha256?: string}} Shard */

export class Dataset {
  /** @param {string} base URL of the dataset folder */
  constructor(base) {
    this.files = new Files(base);
    this.footers = new Map();
  }

  /** Open a dataset; return it with what its manifest says. */
  static async opened(base) {
    const dataset = new Dataset(base);
    return { dataset, info: await dataset.open() };
  }

  /** Read the manifest; return what it says about splits, columns, scale and bit depth. */
  async open(signal) {
    const manifest = await this.files.json("manifest.json", signal);
    if (manifest.format !== FORMAT || !Array.isArray(manifest.shards)) {
      const remedy = manifest.format < FORMAT ? "build the dataset again" : "get a newer nucleusnet";
      throw new ReadError(`manifest.json has format ${manifest.format}, and this page reads format ${FORMAT}; ${remedy}.`);
    }
    this.shards = manifest.shards.filter((shard) => shard.config === CONFIG);
    const splits = {};
    this.channels = channelsOf(manifest.channels);
    for (const shard of this.shards) splits[shard.split] = (splits[shard.split] ?? 0) + shard.rows;
    return {
      splits,
      groups: Object.values(manifest.runs ?? {}).flat().length,
      groupBy: manifest.group_by,
      columns: Object.keys(manifest.columns ?? {}),
      groupings: groupings(manifest),
      channels: this.channels,
      bitDepth: manifest.bit_depth,
      surroundings: manifest.parameters?.outside === "keep",
      pixelsPerUm: manifest.parameters?.pixels_per_um ?? null,
      cropPx: manifest.crop_px,
      version: manifest.version,
    };
  }

  /**
   * Draw n nuclei at random and read them, row group by row group.
   *
   * @param {{split: string, n: number, seed: bigint, images: string[], alone: boolean}} wanted `split` may join several
   *   with +; `images` are the columns of the channels to read, `alone` without any other column
   * @param {(part: {places: number[], nuclei: object[]}) => void} onPart called for each row group, with the places
   *   of its nuclei in the sample
   * @returns {Promise<{groups: number, shards: number}>} how many of each were read
   */
  async draw({ split, n, seed, images, alone = false }, onPart, signal) {
    const shards = split.split("+").flatMap((name) => this.shards.filter((shard) => shard.split === name));
    const rows = chooseRows(shards.map((shard) => shard.rows), n, seed);
    const byShard = [...grouped(rows, shards)];
    const footers = await each(byShard, MANY_AT_ONCE, ([shard]) => this.footer(shard, signal));
    const parts = byShard.flatMap(([shard, wanted], i) =>
      byRowGroup(footers[i], wanted).map((part) => ({ shard, footer: footers[i], ...part })));
    await each(parts, parts.length > MANY_AT_ONCE ? MANY_AT_ONCE : FEW_AT_ONCE, async (part) => {
      const nuclei = await this.nuclei({ ...part, images, alone }, signal).catch((error) => damaged(part.shard, error));
      onPart({ places: part.wanted.map(({ place }) => place), nuclei });
    });
    return { groups: parts.length, shards: byShard.length };
  }

  /** Read one nucleus, in the columns of some channels, by its split and row. */
  async one({ split, row }, images, signal) {
    const shards = this.shards.filter((shard) => shard.split === split);
    const [[shard, wanted]] = grouped([row], shards);
    const footer = await this.footer(shard, signal);
    const [part] = byRowGroup(footer, wanted);
    const [nucleus] = await this.nuclei({ shard, footer, images, ...part }, signal).catch((error) => damaged(shard, error));
    return nucleus;
  }

  async footer(shard, signal) {
    if (!this.footers.has(shard.path)) {
      const data = await this.files.range(shard.path, shard.bytes - shard.footer_bytes, shard.bytes, signal);
      await checkFooter(shard, data);
      const footer = named(shard, () => parquetMetadata(data, { geoparquet: false }));
      if (Number(footer.num_rows) !== shard.rows) {
        throw new ReadError(`${shard.path} has ${footer.num_rows} rows, and the manifest lists ${shard.rows}; run nucleusnet verify.`);
      }
      this.footers.set(shard.path, footer);
    }
    return this.footers.get(shard.path);
  }

  async nuclei({ shard, footer, group, wanted, images, alone }, signal) {
    const rowCount = Number(footer.row_groups[group].num_rows);
    const [rowStart, rowEnd] = span(wanted.map(({ row }) => row));
    const file = networkFile(this.files, shard, signal);
    const whole = rowEnd - rowStart > MANY * rowCount;
    const ofImage = new Set(this.channels.map(({ column }) => column));
    const read = (name) => (ofImage.has(name) ? images.includes(name) : !alone);
    const together = footer.row_groups[group].columns.map((column) => [column, columnName(column)])
      .map(([column, name]) => (read(name) && (whole || !ofImage.has(name)) ? column : null));
    const held = await ahead(file, stretches(together).map(extent));
    const options = { metadata: footer, compressors, rowStart, rowEnd, utf8: false };
    const names = [...new Set(together.filter(Boolean).map(columnName))];
    const [rows, apart] = await Promise.all([
      names.length ? table({ ...options, file: held, columns: names }) : [],
      whole ? [] : table({ ...options, file, columns: images, useOffsetIndex: true }),
    ]);
    return wanted.map(({ row }) => nucleus({ ...rows[row - rowStart], ...apart[row - rowStart] }));
  }
}

/** Refuse a footer that is not the one that the manifest states; it is compared before anything of it is read. */
async function checkFooter(shard, data) {
  if (!shard.footer_sha256 || !crypto.subtle) return; // browsers have no crypto.subtle on a plain http address
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== shard.footer_sha256) {
    throw new ReadError(`${shard.path}: its Parquet footer has another SHA-256 than the manifest states; get the file again.`);
  }
}

/** Return the columns whose values tell nuclei apart, that of the splits first. */
function groupings(manifest) {
  const own = Object.entries(manifest.columns ?? {}).filter(([, kind]) => kind !== "float64").map(([name]) => name);
  const warned = manifest.parameters?.warning_thresholds ? ["warnings"] : []; // older datasets have none
  return [...new Set([manifest.group_by ?? "run_name", "run_name", "stitched_image", ...own, ...warned])];
}

const columnName = (column) => column.meta_data.path_in_schema[0];

/** Throw an error of the Parquet reader again, with the name of the file. */
function damaged(shard, error) {
  if (error instanceof ReadError || error.name === "AbortError") throw error;
  throw new ReadError(`${shard.path} cannot be read (${error.message}); run nucleusnet verify.`);
}

function named(shard, work) {
  try {
    return work();
  } catch (error) {
    return damaged(shard, error);
  }
}

function table(options) {
  return new Promise((onComplete, reject) => {
    parquetRead({ ...options, rowFormat: "object", onComplete }).catch(reject);
  });
}

/** Return a row with plain numbers, and with copies of its cells, which can be passed to another thread. */
function nucleus(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => {
    if (value?.bytes instanceof Uint8Array) return [name, value.bytes.slice()];
    return [name, typeof value === "bigint" ? Number(value) : value];
  }));
}

/** Return the wanted rows of each shard: their numbers in it, and their places in the sample. */
function grouped(rows, shards) {
  const starts = firsts(shards.map((shard) => shard.rows));
  const byShard = new Map();
  rows.forEach((row, place) => {
    const number = starts.findLastIndex((start) => start <= row);
    if (!byShard.has(shards[number])) byShard.set(shards[number], []);
    byShard.get(shards[number]).push({ row: row - starts[number], place });
  });
  return byShard;
}

/** Return the wanted rows of a shard by row group. */
function byRowGroup(footer, wanted) {
  let firstRow = 0;
  return footer.row_groups.flatMap((rowGroup, group) => {
    const [from, to] = [firstRow, firstRow + Number(rowGroup.num_rows)];
    firstRow = to;
    const inside = wanted.filter(({ row }) => row >= from && row < to);
    return inside.length ? [{ group, wanted: inside }] : [];
  });
}

function span(rows) {
  return [Math.min(...rows), Math.max(...rows) + 1];
}

/** Return the stretches of a list that hold no null. */
function stretches(items) {
  const found = [[]];
  for (const item of items) {
    if (item !== null) found.at(-1).push(item);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((stretch) => stretch.length);
}

/** Return the first byte and the end of some adjacent columns of a row group. */
function extent(columns) {
  const starts = columns.map(({ meta_data: meta }) => Number(meta.dictionary_page_offset ?? meta.data_page_offset));
  const ends = columns.map(({ meta_data: meta }, i) => starts[i] + Number(meta.total_compressed_size));
  return [Math.min(...starts), Math.max(...ends)];
}

function networkFile(files, shard, signal) {
  return { byteLength: shard.bytes, slice: (start, end) => files.range(shard.path, start, end, signal) };
}

/** Return the same file with some parts already read. */
async function ahead(file, extents) {
  const parts = await Promise.all(extents.map(async ([start, end]) => ({ start, end, data: await file.slice(start, end) })));
  return {
    byteLength: file.byteLength,
    slice: (from, to) => {
      const part = parts.find(({ start, end }) => from >= start && to <= end);
      return part ? part.data.slice(from - part.start, to - part.start) : file.slice(from, to);
    },
  };
}

/** Do `work` for all items, some at once; a failure stops further ones, and is thrown when those under way have ended. */
async function each(items, atOnce, work) {
  const results = new Array(items.length);
  let next = 0;
  let failed = false;
  const line = async () => {
    while (next < items.length && !failed) {
      const i = next++;
      try {
        results[i] = await work(items[i]);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lines = await Promise.allSettled(Array.from({ length: atOnce }, line));
  const broken = lines.find(({ status }) => status === "rejected");
  if (broken) throw broken.reason;
  return results;
}
