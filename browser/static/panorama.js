/** Panoramas: the tiles of an image, its masks on top, and the nucleus that is clicked. */

import { foldOnPhones, theme } from "./appearance.js";
import { plural } from "./controls.js";
import { facts } from "./measurements.js";
import { PanoramaChannels } from "./panorama_channels.js";
import { automaticContrast, drawNucleus } from "./picture.js";
import { Files } from "./ranges.js";
import { Szi, tileSource } from "./szi.js";

const TILES = { tilePx: 510, overlapPx: 1 };
const LONGEST_BAR_PX = 160;
const OPACITIES = { fill: 45, contours: 100 };
const AROUND = 3; // the chosen nucleus fills a third of the view
const element = (id) => document.getElementById(id);

class Panoramas {
  constructor(source) {
    this.source = source;
    this.files = new Files(new URL(source.panoramas, document.baseURI).href);
    noInlineStyle();
    this.viewer = new window.OpenSeadragon.Viewer({
      element: element("viewer"), drawer: "canvas", showNavigationControl: false, showNavigator: false,
      maxZoomPixelRatio: 4, gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, visibilityRatio: 0.4,
      animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.6,
    });
    this.viewer.addHandler("canvas-click", (event) => event.quick && this.click(event.position));
    this.viewer.addHandler("update-viewport", () => this.scale());
    this.viewer.addHandler("tile-load-failed", ({ message }) => this.fail(message));
    element("viewer").addEventListener("pointermove", (event) => this.point(event));
    this.channels = new PanoramaChannels(this.viewer, element("channels"), () => this.remember());
    this.opacities = { ...OPACITIES };
    element("layer").addEventListener("change", () => this.layer());
    element("opacity").addEventListener("input", ({ target }) => {
      this.opacities[element("layer").value] = Number(target.value);
      this.mask?.setOpacity(this.opacity);
    });
    element("in").addEventListener("click", () => this.zoomBy(1.5));
    element("out").addEventListener("click", () => this.zoomBy(1 / 1.5));
    element("home").addEventListener("click", () => this.viewer.viewport.goHome());
    element("show").addEventListener("click", () => this.show());
    element("retry").addEventListener("click", () => location.reload());
    addEventListener("hashchange", () => this.follow());
  }

  get opacity() {
    return Number(element("opacity").value) / 100;
  }

  async start() {
    this.listed = await this.files.json("panoramas.json");
    element("name").textContent = `Panoramas of ${this.source.name}`;
    element("counts").textContent = plural(this.listed.panoramas.length, "picture");
    element("list").replaceChildren(...this.listed.panoramas.map((entry) => this.listItem(entry)));
    await this.follow();
  }

  listItem(entry) {
    const [item, button, image, text] = ["li", "button", "img", "span"].map((kind) => document.createElement(kind));
    const path = `${encodeURIComponent(entry.name)}/thumbnail.jpg`;
    Object.assign(image, { src: new URL(path, this.files.base), alt: "", loading: "lazy" });
    text.textContent = entry.kind === "mosaic" ? "10K mosaic" : entry.name;
    button.type = "button";
    button.dataset.name = entry.name;
    button.append(image, text);
    button.addEventListener("click", () => (location.hash = new URLSearchParams([["image", entry.name], ...this.channels.address()])));
    item.append(button);
    return item;
  }

  /** Show the panorama that the address names, and the nucleus in it if it names one. */
  async follow() {
    const named = new URLSearchParams(location.hash.slice(1));
    const { panoramas } = this.listed;
    const image = named.get("image");
    const within = ({ images }) => images?.some(({ name }) => name === image);
    const entry = panoramas.find(({ name }) => name === image) ?? panoramas.find(within) ?? panoramas[0];
    if (image && entry.name !== image && !within(entry)) this.fail(`There is no panorama of ${image.slice(0, 80)} here.`);
    if (entry !== this.entry) await this.open(entry);
    const wanted = named.get("nucleus");
    if (!wanted) return;
    const found = this.labels.find(({ nucleus }) => nucleus?.nucleus_id === wanted);
    if (!found) this.fail(`${wanted.slice(0, 80)} is not in ${entry.name}; the panoramas may belong to another version of the dataset.`);
    else {
      this.choose(found);
      this.show();
    }
  }

  async open(entry) {
    this.entry = entry;
    this.mask = null;
    element("nucleus").hidden = true;
    element("under").textContent = "";
    for (const button of element("list").querySelectorAll("button")) {
      button.setAttribute("aria-current", String(button.dataset.name === entry.name));
    }
    this.szi = {};
    this.chosen = null;
    this.channels.close();
    this.viewer.clearOverlays();
    this.viewer.world.removeAll();
    element("layer").disabled = !entry.files["fill.szi"];
    element("click-hint").hidden = !entry.files["fill.szi"];
    this.labels = entry.files["nuclei.json"] ? await this.nuclei(entry) : [];
    if (entry !== this.entry) return;
    const layers = entry.channels?.map(({ layer }) => layer) ?? ["image"];
    const compositeOperation = entry.channels ? "lighter" : null;
    const pictures = [];
    for (const layer of layers) pictures.push(await this.add(layer, pictures.length ? 0 : 1, compositeOperation));
    [this.picture] = pictures;
    const wrong = this.channels.open(entry, pictures, new URLSearchParams(location.hash.slice(1)));
    if (wrong.length) this.fail(`These parts of the page's address do not fit this panorama and were ignored: ${wrong.join(", ")}.`);
    this.viewer.viewport.goHome(true);
    if (element("layer").value) await this.layer();
    document.body.dataset.open = entry.name;
  }

  /** Return the masks of a panorama with what the dataset knows about each. */
  async nuclei(entry) {
    const { labels, nuclei } = await this.files.json(`${encodeURIComponent(entry.name)}/nuclei.json`);
    return labels.map(([colour, number, label]) => {
      return { colour, label, image: entry.images[number], nucleus: nuclei[`${number}/${label}`] ?? null };
    });
  }

  async opened(layer) {
    const path = `${encodeURIComponent(this.entry.name)}/${layer}.szi`;
    this.szi[layer] ??= new Szi(this.files, path, this.entry.files[`${layer}.szi`]).open();
    return this.szi[layer];
  }

  async add(layer, opacity, compositeOperation = null) {
    const entry = this.entry;
    const szi = await this.opened(layer);
    return new Promise((resolve, reject) => {
      if (entry !== this.entry) return;
      this.viewer.addTiledImage({
        tileSource: tileSource(szi, entry, TILES), opacity, compositeOperation,
        success: ({ item }) => resolve(item), error: ({ message }) => reject(new Error(message)),
      });
    });
  }

  /** Show the masks as the control says. */
  async layer() {
    const layer = element("layer").value;
    element("opacity").disabled = !layer;
    element("opacity").value = this.opacities[layer] ?? OPACITIES.fill;
    if (this.mask) this.viewer.world.removeItem(this.mask);
    this.mask = null;
    if (!layer || !this.entry.files[`${layer}.szi`]) return;
    const mask = await this.add(layer, this.opacity).catch((error) => this.fail(error.message));
    if (element("layer").value === layer && mask) this.mask = mask;
    else if (mask) this.viewer.world.removeItem(mask);
  }

  zoomBy(factor) {
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }

  imagePoint(position) {
    return this.picture.viewportToImageCoordinates(this.viewer.viewport.pointFromPixel(position));
  }

  /** Choose the nucleus whose mask is clicked; the colour of a mask tells its label. */
  async click(position) {
    if (!this.picture || !this.entry.files["fill.szi"]) return;
    const { x, y } = this.imagePoint(position);
    if (x < 0 || y < 0 || x >= this.entry.width || y >= this.entry.height) return;
    try {
      const colour = await this.colourAt(Math.floor(x), Math.floor(y));
      const found = this.labels.find((one) => one.colour === colour);
      if (found) this.choose(found);
    } catch (error) {
      this.fail(error.message);
    }
  }

  async colourAt(x, y) {
    const szi = await this.opened("fill");
    const [column, row] = [Math.floor(x / TILES.tilePx), Math.floor(y / TILES.tilePx)];
    const bitmap = await szi.tile(szi.levels - 1, column, row);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const pen = canvas.getContext("2d");
    pen.drawImage(bitmap, 0, 0);
    const inTile = (at, tile) => at - tile * TILES.tilePx + (tile ? TILES.overlapPx : 0);
    const [red, green, blue, alpha] = pen.getImageData(inTile(x, column), inTile(y, row), 1, 1).data;
    return alpha ? (red << 16) | (green << 8) | blue : null;
  }

  choose(found) {
    this.chosen = found;
    const { nucleus, image, label } = found;
    const name = nucleus?.nucleus_id ?? `${image.name}_ROI_${label}`;
    element("nucleus").hidden = false;
    element("nucleus-name").textContent = name;
    const lines = nucleus ? facts(nucleus, [], this.channels.info.channels) : [["Note", "not in the dataset: dropped when it was built"], ["Label", String(label)]];
    element("facts").replaceChildren(...lines.flatMap(([term, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }));
    element("show").hidden = !nucleus;
    element("crop").hidden = true;
    this.viewer.clearOverlays();
    if (!nucleus) return;
    this.remember();
    const frame = document.createElement("div");
    frame.className = "chosen";
    this.viewer.addOverlay({ element: frame, location: this.box(found, 1) });
    this.crop(found).catch((error) => this.fail(error.message));
  }

  /** Put what is shown into the address. */
  remember() {
    const chosen = this.chosen?.nucleus ? [["nucleus", this.chosen.nucleus.nucleus_id]] : [];
    history.replaceState(null, "", `#${new URLSearchParams([["image", this.entry.name], ...chosen, ...this.channels.address()])}`);
  }

  /** Show the crop from the dataset; the tiles are lossy. */
  async crop(found) {
    this.dataset ??= import("./dataset.js").then(({ Dataset }) => Dataset.opened(new URL(this.source.base, document.baseURI).href));
    const { dataset, info } = await this.dataset;
    const wanted = this.channels.layersOfCrop(info.channels);
    const nucleus = await dataset.one(found.nucleus, wanted.map(({ column }) => column));
    const layers = await Promise.all(wanted.map(async (layer) => ({ ...layer, ...(await automaticContrast([nucleus], info.bitDepth, layer.column)) })));
    if (found !== this.chosen) return;
    await drawNucleus(element("crop"), nucleus, { layers, outline: false });
    element("crop").hidden = false;
  }

  box({ nucleus, image }, around) {
    const [width, height] = [nucleus.bbox_x1 - nucleus.bbox_x0, nucleus.bbox_y1 - nucleus.bbox_y0];
    const [x, y] = [image.x + nucleus.bbox_x0 - (width * (around - 1)) / 2, image.y + nucleus.bbox_y0 - (height * (around - 1)) / 2];
    return this.picture.imageToViewportRectangle(x, y, width * around, height * around);
  }

  /** Zoom to the chosen nucleus. */
  show() {
    this.viewer.viewport.fitBounds(this.box(this.chosen, AROUND));
  }

  /** Say where the pointer is: the run in a mosaic, the position in an image. */
  point(event) {
    if (!this.picture || !this.viewer.viewport) return;
    const box = element("viewer").getBoundingClientRect();
    const { x, y } = this.imagePoint(new window.OpenSeadragon.Point(event.clientX - box.left, event.clientY - box.top));
    const inside = x >= 0 && y >= 0 && x < this.entry.width && y < this.entry.height;
    const at = (px) => Math.floor(px).toLocaleString("en");
    if (!inside) element("under").textContent = "";
    else if (this.entry.kind === "mosaic") element("under").textContent = `${this.entry.by === "run_name" ? "Run" : this.entry.by} ${this.entry.runs[Math.floor(y / this.entry.cell_px)]}`;
    else element("under").textContent = `x ${at(x)}, y ${at(y)} px`;
  }

  /** Show a scale bar whose length is a round number of micrometres. */
  scale() {
    const perUm = this.entry?.pixels_per_um;
    const shown = perUm > 0 && this.picture && this.viewer.world.getItemCount() > 0;
    element("bar").hidden = !shown;
    if (!shown) return;
    const umPx = perUm * this.picture.viewportToImageZoom(this.viewer.viewport.getZoom(true));
    const power = 10 ** Math.floor(Math.log10(LONGEST_BAR_PX / umPx));
    const um = [5, 2, 1].map((step) => step * power).find((length) => length * umPx <= LONGEST_BAR_PX);
    element("bar-line").style.width = `${(um * umPx).toFixed(2)}px`;
    element("bar-text").textContent = um >= 1000 ? `${um / 1000} mm` : `${um} \u00b5m`;
  }

  fail(text) {
    element("failure-text").textContent = text;
    element("failure").hidden = false;
  }
}

/**
 * Keep OpenSeadragon from adding its style sheet, which the page's policy forbids; panorama.css holds the rule instead.
 * It adds none where it finds an element with its mark, so it is given one that browsers do not take for a style sheet.
 */
function noInlineStyle() {
  const element = document.createElementNS("http://www.w3.org/1998/Math/MathML", "style");
  element.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(element);
}

async function start() {
  theme();
  foldOnPhones();
  const source = await fetch("source.json").then((answer) => answer.json());
  if (!source.panoramas) throw new Error("There are no panoramas here; start nucleusnet browse with --panoramas DIR.");
  window.panoramas = new Panoramas(source); // for the console and for tests
  await window.panoramas.start();
}

start().catch((error) => {
  element("failure-text").textContent = error.message;
  element("failure").hidden = false;
});
