/** The page of random nuclei: it draws a random sample of a dataset and shows it. */

import { foldOnPhones, sheetScale, theme, tileSize } from "./appearance.js";
import { channelControls } from "./channel_controls.js";
import { layersOf, shownColumns } from "./channels.js";
import { fillControls, fillValues, megabytes, number, plural } from "./controls.js";
import { arranged } from "./measurements.js";
import { automaticContrast } from "./picture.js";
import { Sheet } from "./sheet.js";
import { Single } from "./single.js";
import { isSeed, randomSeed, readView, splitRows, writeView } from "./view.js";

const CONTRAST_NUCLEI = 48;
const element = (id) => document.getElementById(id);

class Page {
  constructor(source, reader) {
    this.source = source;
    this.task = 0;
    this.nuclei = [];
    this.automatic = {};
    this.reader = reader;
    this.reader.onmessage = ({ data }) => data.task === this.task && this[data.kind](data);
    this.reader.onerror = () => this.fail("The page's own files cannot be loaded. Is the server still running?");
    element("retry").addEventListener("click", () => this.again());
    this.ask("open", { base: new URL(source.base, document.baseURI).href });
  }

  ask(kind, wanted) {
    element("failure").hidden = true;
    this.asked = [kind, wanted];
    this.reader.postMessage({ task: ++this.task, kind, ...wanted });
  }

  again() {
    if (this.asked[0] === "draw") this.draw();
    else this.ask(...this.asked);
  }

  // Messages from the reader.

  opened({ info }) {
    this.info = info;
    const { view, wrong } = readView(location.hash, info);
    this.view = view;
    this.wrong = wrong;
    document.title = `${this.source.name} - NucleusNet`;
    element("name").textContent = this.source.name;
    const groups = info.groupBy === "run_name" ? ["run"] : [`value of ${info.groupBy}`, `values of ${info.groupBy}`];
    const total = Object.values(info.splits).reduce((sum, rows) => sum + rows, 0);
    element("counts").textContent = `${number(total)} nuclei, ${plural(info.groups, ...groups)}`;
    element("start").hidden = true;
    element("controls").hidden = false;
    element("panoramas").hidden = !this.source.panoramas;
    this.sheet = new Sheet(element("sheet"), (nucleus) => this.open(nucleus));
    const auto = () => this.automaticAgain();
    this.single = new Single({ ...info, panoramas: this.source.panoramas }, { moved: (nucleus) => this.moved(nucleus), outline: (outline) => this.change({ outline }), auto });
    const top = 2 ** info.bitDepth - 1;
    const channels = { set: (name, setting) => this.setChannel(name, setting), show: (names) => this.showChannels(names) };
    this.contrasts = ["contrast", "single-contrast"].map((id) => channelControls(element(id), id, info.channels, top, channels));
    this.listen();
    this.draw();
  }

  part({ places, nuclei, requests, bytes }) {
    if (!this.have) performance.mark("first nuclei");
    places.forEach((place, i) => (this.nuclei[place] = nuclei[i]));
    this.have += nuclei.length;
    this.say(`${number(this.have)} of ${number(this.view.n)} nuclei, ${number(requests)} requests, ${megabytes(bytes)}`);
    this.arrange();
    if (!layersOf(this.view, this.info, this.automatic)) this.judge();
  }

  async drawn({ groups, shards, requests, bytes }) {
    fillValues(this.nuclei, this.view);
    this.arrange();
    await this.judge();
    performance.mark("all nuclei");
    const seconds = ((performance.now() - this.startedMs) / 1000).toFixed(1);
    const place = `${plural(groups, "block")} in ${plural(shards, "data file")}`;
    this.say(`${number(this.have)} random nuclei from ${place}: ${plural(requests, "request")}, ${megabytes(bytes)}, ${seconds} s`);
    document.body.dataset.drawn = this.view.seed;
    if (this.view.open) this.openNamed(this.view.open);
    this.readFurther();
  }

  further({ places, nuclei, requests, bytes }) {
    places.forEach((place, i) => Object.assign(this.nuclei[place], nuclei[i]));
    this.say(`Reading further channels: ${plural(requests, "request")}, ${megabytes(bytes)}`);
  }

  async completed({ requests, bytes }) {
    for (const column of this.asked[1].images) this.columns.add(column);
    await this.judge();
    this.say(`Channels of ${number(this.have)} nuclei: ${plural(requests, "request")}, ${megabytes(bytes)}`);
    document.body.dataset.drawn = this.view.seed;
  }

  failed({ message }) {
    this.fail(message);
  }

  // Actions of the person at the page.

  listen() {
    this.fill();
    element("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = element("seed").value.trim();
      const other = typed !== this.view.seed && isSeed(typed);
      this.redrawWith({ seed: other ? typed : randomSeed() });
    });
    element("seed").addEventListener("input", () => {
      const wrong = !isSeed(element("seed").value.trim());
      element("seed").setCustomValidity(wrong ? "The seed must be a whole number from 0 to 18446744073709551615." : "");
    });
    element("split").addEventListener("change", ({ target }) => {
      const split = target.value;
      this.redrawWith({ split, n: Math.min(this.view.n, splitRows(split, this.info)), value: "" });
    });
    element("n").addEventListener("change", ({ target }) => this.redrawWith({ n: Number(target.value) }));
    element("by").addEventListener("change", ({ target }) => this.change({ by: target.value, value: "" }));
    element("value").addEventListener("change", ({ target }) => this.change({ value: target.value }));
    element("sort").addEventListener("change", ({ target }) => this.change({ sort: target.value }));
    element("direction").addEventListener("click", () => this.change({ descending: !this.view.descending }));
    element("outline").addEventListener("change", ({ target }) => this.change({ outline: target.checked }));
    element("tile").addEventListener("input", ({ target }) => tileSize(target.value, this.info));
    for (const id of ["share", "single-share"]) element(id).addEventListener("click", ({ target }) => this.share(target));
    addEventListener("hashchange", () => this.addressed());
    new ResizeObserver(() => sheetScale(this.info)).observe(element("sheet"));
    tileSize(null, this.info);
  }

  /** Show what the address says after a link was followed or the back button was pressed. */
  addressed() {
    const before = this.view;
    const { view, wrong } = readView(location.hash, this.info);
    this.wrong = wrong;
    this.view = view;
    if (["split", "n", "seed"].some((name) => view[name] !== before[name])) this.draw();
    else {
      this.change({});
      this.readFurther();
      if (view.open) this.openNamed(view.open);
      else element("single").close();
    }
  }

  redrawWith(changes) {
    Object.assign(this.view, changes, { open: "" });
    history.pushState(null, "", writeView(this.view, this.info));
    this.draw();
  }

  /** Change how the sample is shown; nothing is read. */
  change(changes) {
    Object.assign(this.view, changes);
    this.remember();
    this.fill();
    if ("value" in changes || "sort" in changes || "descending" in changes || !Object.keys(changes).length) this.arrange();
    this.redraw();
  }

  remember() {
    history.replaceState(null, "", writeView(this.view, this.info));
  }

  draw() {
    const { split, n, seed } = this.view;
    delete document.body.dataset.drawn;
    this.remember();
    this.fill();
    this.sheet.clear();
    const images = shownColumns(this.view, this.info);
    this.columns = new Set(images);
    this.nuclei = new Array(n).fill(null);
    Object.assign(this, { have: 0, automatic: {}, startedMs: performance.now() });
    this.sheet.look = null;
    if (element("single").open) element("single").close();
    element("nothing").hidden = true;
    this.say(`Drawing ${number(n)} of ${number(splitRows(split, this.info))} nuclei`);
    this.ask("draw", { split, n, seed, images });
  }

  /** Read the channels that are shown and not here yet, as soon as the sample is. */
  readFurther() {
    const images = shownColumns(this.view, this.info).filter((column) => !this.columns.has(column));
    if (!images.length || this.have < this.view.n) return;
    const { split, n, seed } = this.view;
    delete document.body.dataset.drawn;
    this.ask("further", { split, n, seed, images, alone: true });
  }

  /** Change the colour or the contrast of a channel. */
  setChannel(name, setting) {
    if (!this.view.settings) return this.change(setting);
    Object.assign(this.view.settings[name], setting);
    return this.change({ channels: this.view.channels });
  }

  showChannels(channels) {
    this.change({ channels });
    this.readFurther();
  }

  /** Let the nuclei decide the contrast of every channel that is shown. */
  automaticAgain() {
    for (const name of this.view.channels ?? []) Object.assign(this.view.settings[name], { min: null, max: null });
    this.change({ min: null, max: null });
  }

  arrange() {
    this.order = arranged(this.nuclei, this.view);
    this.sheet.show(this.order);
    this.single.among(this.order);
    element("sheet").setAttribute("aria-label", `Contact sheet of ${plural(this.order.length, "nucleus", "nuclei")}`);
    element("nothing").hidden = this.order.length > 0 || this.have < this.view.n;
    sheetScale(this.info);
  }

  /** Set the automatic contrast from some of the nuclei that have arrived, and draw. */
  async judge() {
    const task = this.task;
    const come = this.nuclei.filter(Boolean);
    const step = Math.max(1, Math.floor(come.length / CONTRAST_NUCLEI));
    const some = come.filter((_, i) => i % step === 0).slice(0, CONTRAST_NUCLEI);
    const columns = [...this.columns];
    const ranges = await Promise.all(columns.map((column) => automaticContrast(some, this.info.bitDepth, column)));
    if (task !== this.task) return;
    this.automatic = Object.fromEntries(columns.map((column, i) => [column, ranges[i]]));
    this.redraw();
  }

  redraw() {
    const layers = layersOf(this.view, this.info, this.automatic);
    if (!layers) return;
    for (const controls of this.contrasts) controls.show(layers, this.view.settings);
    const look = { layers, outline: this.view.outline };
    this.sheet.redraw(look);
    this.single.redraw(look);
  }

  open(nucleus) {
    this.single.show(nucleus, this.order, this.sheet.look);
  }

  openNamed(name) {
    const nucleus = this.order.find((one) => one.nucleus_id === name);
    if (nucleus) this.open(nucleus);
    else this.fail(`${name.slice(0, 80)} is not in this sample; the link may belong to another version of the dataset.`);
  }

  moved(nucleus) {
    const left = this.order?.find((one) => one.nucleus_id === this.view.open);
    this.view.open = nucleus?.nucleus_id ?? "";
    this.remember();
    if (!nucleus && left) this.sheet.focus(left);
  }

  async share(button) {
    const text = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it from the address bar";
    }
    setTimeout(() => (button.textContent = text), 1500);
  }

  fill() {
    fillControls(this.view, this.info, this.nuclei);
    if (this.wrong.length) this.fail(`These parts of the page's address do not fit this dataset and were ignored: ${this.wrong.join(", ")}.`);
    this.wrong = [];
  }

  say(text) {
    element("status").textContent = text;
  }

  fail(text) {
    element("start").hidden = true;
    element("failure-text").textContent = text;
    element("failure").hidden = false;
  }
}

async function start() {
  theme();
  foldOnPhones();
  const reader = new Worker("reader.js", { type: "module" }); // first, so that it loads while the rest does
  const source = await fetch("source.json").then((answer) => answer.json());
  return new Page(source, reader);
}

start().catch((error) => {
  element("failure-text").textContent = `The page cannot start (${error.message}); start nucleusnet browse again.`;
  element("failure").hidden = false;
});
