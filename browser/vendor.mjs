// Copies what the pages need from the npm packages into static/vendor, with the licences. Run by `make browser`.
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const vendor = join(here, "static", "vendor");

const sources = await readdir(join(modules, "hyparquet", "src"));
const copies = [
  ...sources
    .filter((name) => name.endsWith(".js") && name !== "node.js")
    .map((name) => [`hyparquet/src/${name}`, `hyparquet/${name}`]),
  ["fzstd/esm/index.mjs", "fzstd/index.js"], // some servers do not know .mjs
  ["openseadragon/build/openseadragon/openseadragon.min.js", "openseadragon/openseadragon.min.js"],
];
const packages = [...new Set(copies.map(([from]) => from.split("/")[0]))].sort();

await rm(vendor, { recursive: true, force: true });
for (const [from, to] of copies) {
  await mkdir(dirname(join(vendor, to)), { recursive: true });
  await copyFile(join(modules, from), join(vendor, to));
}
// Written last: where it is, all files are.
const texts = await Promise.all(
  packages.map(async (name) => {
    const { version, license } = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8"));
    const text = (await readdir(join(modules, name))).find((file) => file.startsWith("LICENSE"));
    return `${name} ${version} (${license})\n\n${await readFile(join(modules, name, text), "utf8")}`;
  }),
);
await writeFile(join(vendor, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
console.log(`${copies.length} files of ${packages.join(", ")} in ${vendor}`);
