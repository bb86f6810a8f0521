/** Colours, tile size and scale bar of the page, which its address does not hold. */

import { roundLength } from "./picture.js";

const TILE_PX = 112;
const LONGEST_BAR = 0.5; // of a tile
const element = (id) => document.getElementById(id);

/** Follow the system's colours until others are chosen. */
export function theme() {
  const button = element("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
    button.textContent = now === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = button.textContent.toLowerCase();
    show();
  });
  dark.addEventListener("change", show);
  show();
}

/** Fold the controls that are not always needed away on narrow screens. */
export function foldOnPhones() {
  const narrow = matchMedia("(max-width: 720px)");
  const fold = () => (element("more").open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
}

/** Set the smallest width of a tile, px; null for the default. */
export function tileSize(px, info) {
  const size = px ?? TILE_PX;
  element("tile").value = size;
  element("sheet").style.setProperty("--tile", `${size}px`);
  sheetScale(info);
}

/** Show a bar of a round length at the scale of the tiles; none where they have several. */
export function sheetScale({ cropPx }) {
  const tiles = [...element("sheet").children];
  const [perUm, ...others] = new Set(tiles.map(({ nucleus }) => nucleus.crop_pixels_per_um));
  const known = perUm > 0 && !others.length;
  element("sheet-bar").hidden = !known;
  if (!known) return;
  const um = roundLength((LONGEST_BAR * cropPx) / perUm);
  const px = (um * perUm * tiles[0].clientWidth) / cropPx;
  element("sheet-bar-line").style.width = `${px.toFixed(2)}px`;
  element("sheet-bar-text").textContent = `${um} \u00b5m`;
}
