/** The contact sheet: a button for each nucleus, drawn when it comes near the window and freed when it leaves. */

import { drawNucleus } from "./picture.js";

const NEAR_PX = 400;

export class Sheet {
  /**
   * @param {HTMLElement} place
   * @param {(nucleus: object) => void} open called with the nucleus that is opened
   */
  constructor(place, open) {
    this.place = place;
    this.look = null;
    this.shown = [];
    this.tiles = new Map();
    this.near = new Set();
    this.observer = new IntersectionObserver((entries) => this.moved(entries), { rootMargin: `${NEAR_PX}px` });
    place.addEventListener("click", (event) => {
      const tile = event.target.closest("button");
      if (tile) open(tile.nucleus);
    });
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("focusin", (event) => this.reachable(event.target.closest("button")));
  }

  /** Forget all nuclei. */
  clear() {
    this.observer.disconnect();
    this.near.clear();
    this.tiles.clear();
    this.shown = [];
    this.place.replaceChildren();
  }

  /** Show these nuclei in this order; tiles that already exist are kept. */
  show(nuclei) {
    const had = new Set(this.shown);
    this.shown = nuclei;
    const tiles = nuclei.map((nucleus) => this.tiles.get(nucleus) ?? this.make(nucleus));
    this.place.replaceChildren(...tiles);
    for (const [i, nucleus] of nuclei.entries()) if (!had.has(nucleus)) this.observer.observe(tiles[i]);
    const kept = new Set(nuclei);
    for (const nucleus of had) if (!kept.has(nucleus)) this.observer.unobserve(this.tiles.get(nucleus));
    const focused = tiles.find((tile) => tile.tabIndex === 0);
    this.reachable(focused ?? tiles[0]);
  }

  /** Draw the tiles near the window again with another contrast. */
  redraw(look) {
    this.look = look;
    for (const tile of this.near) this.draw(tile);
  }

  focus(nucleus) {
    const tile = this.tiles.get(nucleus);
    if (tile?.isConnected) tile.focus({ preventScroll: false });
  }

  make(nucleus) {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "tile";
    tile.tabIndex = -1;
    tile.nucleus = nucleus;
    tile.title = nucleus.nucleus_id;
    tile.setAttribute("aria-label", label(nucleus));
    tile.append(document.createElement("canvas"));
    this.tiles.set(nucleus, tile);
    return tile;
  }

  moved(entries) {
    for (const { target: tile, isIntersecting } of entries) {
      if (isIntersecting) {
        this.near.add(tile);
        this.draw(tile);
      } else {
        this.near.delete(tile);
        tile.firstChild.width = 0; // frees its memory
      }
    }
  }

  async draw(tile) {
    if (!this.look) return;
    try {
      await drawNucleus(tile.firstChild, tile.nucleus, this.look);
      if (!this.near.has(tile)) tile.firstChild.width = 0;
    } catch (error) {
      tile.classList.add("broken");
      tile.title = `${tile.nucleus.nucleus_id}: ${error.message}`;
    }
  }

  /** Let Tab reach this tile; the arrow keys reach the others. */
  reachable(tile) {
    if (!tile) return;
    for (const other of this.place.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    tile.tabIndex = 0;
  }

  key(event) {
    const tiles = [...this.place.children];
    const at = tiles.indexOf(document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const page = columns * Math.max(1, Math.floor(innerHeight / tiles[0].offsetHeight) - 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page };
    const ends = { Home: 0, End: tiles.length - 1 };
    const to = event.key in steps ? at + steps[event.key] : ends[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const paging = event.key.startsWith("Page");
    const place = paging ? Math.min(tiles.length - 1, Math.max(0, to)) : to;
    tiles[place]?.focus();
  }
}

function label(nucleus) {
  const area = nucleus.area_um2 == null ? "" : `, area ${nucleus.area_um2.toFixed(0)} square micrometres`;
  return `${nucleus.nucleus_id}${area}`;
}
