/** The controls above the sheet: what they offer and show. */

import { SORTABLE, runOf } from "./measurements.js";
import { CHOICES_OF_N, MOST_N, splitRows } from "./view.js";

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
  options(element("sort"), [["", "as drawn"], ...SORTABLE], view.sort);
  if (![...element("run").options].some(({ value }) => value === view.run)) fillRuns(nuclei, view.run);
  element("run").value = view.run;
  element("direction").textContent = view.descending ? "\u2193" : "\u2191";
  element("direction").setAttribute("aria-label", view.descending ? "Descending; click to reverse" : "Ascending; click to reverse");
  element("outline").checked = view.outline;
}

/** Offer the runs of a sample, each with its number of nuclei. */
export function fillRuns(nuclei, run) {
  const counts = new Map();
  for (const nucleus of nuclei) if (nucleus) counts.set(runOf(nucleus), (counts.get(runOf(nucleus)) ?? 0) + 1);
  const runs = [...counts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  if (run && !counts.has(run)) runs.push([run, 0]);
  options(element("run"), [["", "all"], ...runs.map(([name, count]) => [name, `${name} (${count})`])], run);
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}
