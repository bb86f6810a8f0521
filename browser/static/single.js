/** One nucleus, large, with its scale bar and measurements; its neighbours on the sheet are one key away. */

import { drawHistograms } from "./histograms.js";
import { facts } from "./measurements.js";
import { drawNucleus, roundLength } from "./picture.js";

const LONGEST_BAR = 0.05; // of the picture
const element = (id) => document.getElementById(id);

export class Single {
  /**
   * @param {{bitDepth: number}} info about the dataset
   * @param {{moved: (nucleus: object | null) => void, outline: (on: boolean) => void, auto: () => void}} on
   */
  constructor(info, on) {
    this.info = info;
    this.on = on;
    this.nuclei = [];
    this.nucleus = null;
    this.dialog = element("single");
    this.canvas = element("large");
    element("previous").addEventListener("click", () => this.step(-1));
    element("next").addEventListener("click", () => this.step(1));
    element("index").addEventListener("input", (event) => this.go(Number(event.target.value) - 1));
    element("close").addEventListener("click", () => this.dialog.close());
    element("single-outline").addEventListener("change", (event) => on.outline(event.target.checked));
    this.dialog.addEventListener("close", () => on.moved(null));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["pointermove", "pointerdown"]) this.canvas.addEventListener(kind, (event) => this.readPixel(event));
  }

  /** Show one of these nuclei; the arrow keys go to those before and after it. */
  show(nucleus, nuclei, look) {
    this.nuclei = nuclei;
    this.look = look;
    if (!this.dialog.open) this.dialog.showModal();
    this.go(nuclei.indexOf(nucleus));
  }

  /** Take the new order of the sheet while a nucleus is open. */
  among(nuclei) {
    this.nuclei = nuclei;
    if (this.dialog.open) this.place();
  }

  redraw(look) {
    this.look = look;
    element("single-outline").checked = look.outline;
    if (this.dialog.open && this.nucleus) this.draw();
  }

  step(by) {
    this.go(Math.min(this.nuclei.length - 1, Math.max(0, this.nuclei.indexOf(this.nucleus) + by)));
  }

  go(index) {
    this.nucleus = this.nuclei[index];
    const { nucleus } = this;
    element("single-name").replaceChildren(...breakable(nucleus.nucleus_id));
    element("facts").replaceChildren(...facts(nucleus, this.info.columns, this.info.channels).flatMap(([name, value]) => {
      const [term, said] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      said.textContent = value;
      return [term, said];
    }));
    this.place();
    this.draw();
    this.panorama(nucleus);
    this.on.moved(nucleus);
  }

  /** Link to the nucleus in a panorama, if its image has one. */
  async panorama(nucleus) {
    element("panorama").hidden = true;
    if (!this.info.panoramas) return;
    this.listed ??= fetch(new URL("panoramas.json", new URL(this.info.panoramas, document.baseURI))).then((answer) => answer.json());
    const { panoramas } = await this.listed.catch(() => ({ panoramas: [] }));
    const found = panoramas.find(({ images }) => images?.some(({ name }) => name === nucleus.stitched_image));
    if (!found || nucleus !== this.nucleus) return;
    element("panorama").href = `panorama.html#${new URLSearchParams({ image: found.name, nucleus: nucleus.nucleus_id })}`;
    element("panorama").hidden = false;
  }

  place() {
    const at = this.nuclei.indexOf(this.nucleus);
    Object.assign(element("index"), { max: Math.max(1, this.nuclei.length), value: at + 1 });
    const text = at < 0 ? "not on the sheet" : `${(at + 1).toLocaleString("en")} of ${this.nuclei.length.toLocaleString("en")}`;
    element("position").textContent = text;
    element("index").setAttribute("aria-valuetext", text);
    element("previous").disabled = at <= 0;
    element("next").disabled = at === this.nuclei.length - 1;
  }

  async draw() {
    const { nucleus } = this;
    try {
      const { look } = this;
      offerPng(nucleus, look.layers.find(({ column }) => nucleus[column]));
      const images = await drawNucleus(this.canvas, nucleus, look);
      if (nucleus !== this.nucleus || look !== this.look) return;
      this.shown = look.layers.map((layer, i) => ({ ...layer, image: images[i] })).filter(({ image }) => image);
      if (!this.shown.length) return;
      this.scale(nucleus.crop_pixels_per_um ?? null, this.shown[0].image.width);
      drawHistograms(element("histogram"), this.shown);
    } catch (error) {
      element("pixel").textContent = `This nucleus cannot be shown: ${error.message}`;
    }
  }

  /** Show a bar of a round length, at whatever size the picture has on the screen. */
  scale(perUm, widthPx) {
    element("bar").hidden = perUm === null;
    if (perUm === null) return;
    const um = roundLength((LONGEST_BAR * widthPx) / perUm);
    element("bar-line").style.width = `${((100 * um * perUm) / widthPx).toFixed(4)}cqw`;
    element("bar-text").textContent = `${um} \u00b5m`;
  }

  readPixel(event) {
    if (!this.shown?.length) return;
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.shown[0].image;
    const x = Math.floor(((event.clientX - box.left) / box.width) * width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const values = this.shown.map(({ name, image }) => `${name} ${image.pixels[y * width + x]}`.trim());
    element("pixel").textContent = `x ${x}, y ${y}: grey value ${values.join(", ")}`;
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const inSlider = event.target instanceof HTMLInputElement && event.target.type === "range";
    const last = this.nuclei.length - 1;
    const actions = { o: () => this.on.outline(!this.look.outline), a: () => this.on.auto() };
    if (!inSlider) {
      const walk = { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), Home: () => this.go(0), End: () => this.go(last) };
      Object.assign(actions, walk);
    }
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** Return a name that may break into lines after its underscores. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, document.createElement("wbr")]);
}

/** Offer the stored image of a channel. */
function offerPng(nucleus, { name, column }) {
  const link = element("download");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([nucleus[column]], { type: "image/png" }));
  link.download = `${[nucleus.nucleus_id, name].filter(Boolean).join("_")}.png`;
  link.textContent = name ? `Download PNG of ${name}` : "Download PNG";
}
