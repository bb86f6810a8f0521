/** The controls above the sheet: what they offer and show. */

import { sortable, valuesOf } from "./measurements.js";
import { CHOICES_OF_N, MOST_N, splitRows } from "./view.js";

const NAMES = { run_name: "Run", stitched_image: "Image", warnings: "Warning" };
const element = (id) => document.getElementById(id);

export const number = (value) => value.toLocaleString("en");
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Set the controls to a view. */
export function fillControls(view, info, nuclei) {
  const splits = Object.keys(info.splits);
  const named = splits.map((split) => [split, `${split} (${number(info.splits[split])})`]);
  const all = splits.join("+");
  if (splits.length > 1) named.push([all, `all (${number(splitRows(all, info))})`]);
  if (!named.some(([split]) => split === view.split)) named.push([view.split, view.split]);
  options(element("split"), named, view.split);
  const most = Math.min(MOST_N, splitRows(view.split, info));
  const counts = [...new Set([...CHOICES_OF_N.filter((n) => n < most), most, view.n])].sort((a, b) => a - b);
  options(element("n"), counts.map((n) => [n, number(n)]), view.n);
  element("seed").value = view.seed;
  element("seed").setCustomValidity("");
  options(element("sort"), [["", "as drawn"], ...sortable(info.channels)], view.sort);
  options(element("by"), info.groupings.map((name) => [name, NAMES[name] ?? name]), view.by);
  fillValues(nuclei, view);
  element("direction").textContent = view.descending ? "\u2193" : "\u2191";
  element("direction").setAttribute("aria-label", view.descending ? "Descending; click to reverse" : "Ascending; click to reverse");
  element("outline").checked = view.outline;
}

/** Offer the values of a sample in the chosen column, each with its number of nuclei; one may have several warnings. */
export function fillValues(nuclei, { by, value }) {
  const counts = new Map();
  for (const name of nuclei.filter(Boolean).flatMap((nucleus) => valuesOf(nucleus, by))) counts.set(name, (counts.get(name) ?? 0) + 1);
  const values = [...counts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  if (value && !counts.has(value)) values.push([value, 0]);
  options(element("value"), [["", "all"], ...values.map(([name, count]) => [name, `${name} (${count})`])], value);
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}
