/** The thread that reads: the page asks for a dataset or a sample, and gets the nuclei as they arrive. */

import { Dataset } from "./dataset.js";

let dataset;
let drawing = new AbortController();

self.onmessage = async ({ data: { task, kind, ...wanted } }) => {
  try {
    if (kind === "open") await open(task, wanted.base);
    else await draw(task, wanted);
  } catch (error) {
    if (error.name === "AbortError") return;
    const message = error.constructor.name === "ReadError" ? error.message : `${error.name}: ${error.message}`;
    self.postMessage({ task, kind: "failed", message });
  }
};

async function open(task, base) {
  dataset = new Dataset(base);
  self.postMessage({ task, kind: "opened", info: await dataset.open() });
}

/** Read a sample, or, of one that is there, only further channels. */
async function draw(task, { split, n, seed, images, alone }) {
  drawing.abort(); // a new request replaces the one before
  drawing = new AbortController();
  const { files } = dataset;
  const before = { requests: files.requests, bytes: files.bytes };
  const traffic = () => ({ requests: files.requests - before.requests, bytes: files.bytes - before.bytes });
  const { signal } = drawing;
  const onPart = (part) => {
    if (signal.aborted) return;
    const buffers = part.nuclei.flatMap((nucleus) => Object.values(nucleus).filter((cell) => cell instanceof Uint8Array).map((cell) => cell.buffer));
    self.postMessage({ task, kind: alone ? "further" : "part", ...part, ...traffic() }, buffers);
  };
  const read = await dataset.draw({ split, n, seed: BigInt(seed), images, alone }, onPart, signal);
  self.postMessage({ task, kind: alone ? "completed" : "drawn", ...read, ...traffic() });
}
