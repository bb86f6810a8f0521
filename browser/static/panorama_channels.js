/** The channels of a panorama: a grey pyramid each, coloured when its tiles are drawn, and added up. */

import { channelControls } from "./channel_controls.js";
import { channelsOf, defaultChannels, layersOf, readChannels, writeChannels } from "./channels.js";
import { colourTable, paint } from "./tint.js";

const BIT_DEPTH = 8; // of JPEG tiles
const TOP = 2 ** BIT_DEPTH - 1;

export class PanoramaChannels {
  /**
   * @param viewer of OpenSeadragon, with its canvas drawer
   * @param {HTMLElement} place element that holds the controls, in one that is hidden where there are none
   * @param {() => void} changed called when something else is chosen
   */
  constructor(viewer, place, changed) {
    Object.assign(this, { viewer, place, changed, tables: new Map(), painted: new WeakMap() });
    this.close();
    viewer.addHandler("tile-drawing", ({ tiledImage, rendered }) => this.tint(tiledImage, rendered));
  }

  /** Forget a panorama. */
  close() {
    this.pictures = [];
    this.tables.clear();
    this.info = { channels: channelsOf(), bitDepth: BIT_DEPTH };
    this.place.parentElement.hidden = true;
  }

  /**
   * Show the channels of a panorama.
   *
   * @param entry of the list of panoramas
   * @param {object[]} pictures of OpenSeadragon, one for each channel
   * @param {URLSearchParams} given what the address says
   * @returns {string[]} parts of the address that do not fit
   */
  open({ channels }, pictures, given) {
    const wrong = [];
    if (!channels) return wrong;
    this.pictures = pictures;
    this.info.channels = channelsOf(channels.map(({ name }) => name));
    this.automatic = Object.fromEntries(this.info.channels.map(({ column }, i) => [column, { min: 0, max: channels[i].bright }]));
    this.view = defaultChannels(this.info);
    readChannels(given, this.view, this.info, wrong);
    const set = (name, setting) => this.change(() => Object.assign(this.view.settings[name], setting));
    const show = (names) => this.change(() => (this.view.channels = names));
    this.controls = channelControls(this.place, "channel", this.info.channels, TOP, { set, show });
    this.place.parentElement.hidden = false;
    this.draw();
    return wrong;
  }

  change(act) {
    act();
    this.draw();
    this.changed();
  }

  /** Return the parts of the address that say what is shown. */
  address() {
    return this.pictures.length ? writeChannels(this.view, this.info) : [];
  }

  /** Return in which colour each of some channels of a dataset is shown, as layers without a contrast. */
  layersOfCrop(channels) {
    const layers = this.pictures.length ? layersOf(this.view, this.info, this.automatic) : [];
    const shown = channels.filter(({ name }) => layers.some((layer) => layer.name === name));
    const colour = ({ name }) => (shown.length > 1 ? this.view.settings[name].colour : null);
    return (shown.length ? shown : channels.slice(0, 1)).map((channel) => ({ ...channel, colour: colour(channel) }));
  }

  draw() {
    const layers = layersOf(this.view, this.info, this.automatic);
    this.pictures.forEach((picture, i) => {
      const layer = layers.find(({ name }) => name === this.info.channels[i].name);
      picture.setOpacity(layer ? 1 : 0); // tiles of a hidden picture are not fetched
      if (layer) this.tables.set(picture, colourTable(layer, BIT_DEPTH));
    });
    this.controls.show(layers, this.view.settings);
    this.viewer.forceRedraw();
  }

  /** Colour a tile, unless it has its colours already; its grey values are kept. */
  tint(picture, context) {
    const table = this.tables.get(picture);
    if (!table || this.painted.get(context)?.table === table) return;
    const { width, height } = context.canvas;
    const greys = this.painted.get(context)?.greys ?? redOf(context.getImageData(0, 0, width, height).data);
    const coloured = new ImageData(width, height);
    paint(coloured, greys, table);
    context.putImageData(coloured, 0, 0);
    this.painted.set(context, { greys, table });
  }
}

function redOf(rgba) {
  const values = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < values.length; i++) values[i] = rgba[4 * i];
  return values;
}
