/** Exact byte ranges of the files of a dataset, by HTTP. */

const ATTEMPTS = 3;
const FIRST_WAIT_MS = 400;

/** A read that failed for good; the message says what is wrong, where, and what helps. */
export class ReadError extends Error {}

export class Files {
  /** @param {string} base URL of the dataset folder, ending in a slash */
  constructor(base) {
    this.base = base;
    this.requests = 0;
    this.bytes = 0;
  }

  /** @returns {Promise<ArrayBuffer>} bytes `start`..`end` (half-open) of a file */
  async range(path, start, end, signal) {
    // A single range keeps a request to another host "simple": no other header, so no preflight.
    const response = await this.get(path, { headers: { Range: `bytes=${start}-${end - 1}` }, signal });
    if (response.status !== 206) {
      await response.body?.cancel();
      throw new ReadError(`${path}: the server sent the whole file (status ${response.status}) instead of a part (206); ` +
        "use a server that can send byte ranges.");
    }
    const data = await this.body(response, path);
    if (data.byteLength !== end - start) {
      throw new ReadError(`${path}: the server sent ${data.byteLength} bytes instead of ${end - start}; get the file again.`);
    }
    return data;
  }

  /** @returns {Promise<any>} what a JSON file holds */
  async json(path, signal) {
    const data = await this.body(await this.get(path, { signal }), path);
    try {
      return JSON.parse(new TextDecoder().decode(data));
    } catch (error) {
      throw new ReadError(`${path} is damaged: it cannot be read as JSON (${error.message}); get the file again.`);
    }
  }

  async get(path, options) {
    for (let attempt = 1; ; attempt++) {
      this.requests++;
      const response = await fetch(new URL(path, this.base), options).catch((error) => error);
      options.signal?.throwIfAborted();
      if (response.ok) return response;
      const passing = response instanceof Error || response.status === 429 || response.status >= 500;
      if (!passing || attempt === ATTEMPTS) throw new ReadError(await failure(path, response));
      await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 3 ** (attempt - 1)));
    }
  }

  async body(response, path) {
    const data = await response.arrayBuffer().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new ReadError(`${path}: the connection broke while the file was read; try again.`);
    });
    this.bytes += data.byteLength;
    return data;
  }
}

async function failure(path, response) {
  if (response instanceof Error) return `${path}: the server cannot be reached; start it again, or check the network.`;
  const type = response.headers.get("Content-Type") ?? "";
  const said = type.startsWith("text/plain") ? (await response.text().catch(() => "")).slice(0, 500).trim() : "";
  if (said) return said;
  if (response.status === 401 || response.status === 403) {
    return `${path}: the dataset is not public (status ${response.status}); for a private one start nucleusnet browse --relay.`;
  }
  return `${path} cannot be read (status ${response.status}); check that the dataset is complete.`;
}
