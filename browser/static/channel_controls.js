/** The controls of the channels: which are shown, and the colour and contrast of each. */

import { contrastControls } from "./contrast.js";

/**
 * @param {HTMLElement} place element that holds them
 * @param {string} prefix of their ids, different for each place
 * @param {import("./channels.js").Channel[]} channels
 * @param {number} top largest grey value
 * @param {{set: (name: string, setting: object) => void, show: (names: string[]) => void}} on called when they are
 *   changed; null as `min` and `max` is automatic contrast
 * @returns {{show: (layers: import("./channels.js").Layer[], settings: object) => void}}
 */
export function channelControls(place, prefix, channels, top, on) {
  if (channels.length < 2) {
    const [{ name }] = channels;
    const controls = contrastControls(place, prefix, top, changes(name, on));
    return { show: ([layer]) => controls.show(layer) };
  }
  place.className = "channels";
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", "Channels");
  const rows = channels.map((channel) => channelRow(channel, prefix, top, on));
  const note = document.createElement("p");
  note.className = "muted channels-note";
  note.textContent = "Channels add up in their colours; one alone is grey. The first colours can be told apart with any colour vision (Okabe and Ito).";
  place.replaceChildren(...rows.map(({ row }) => row), note);
  const chosen = () => rows.filter(({ box }) => box.checked).map(({ name }) => name);
  for (const { name, box, only } of rows) {
    box.addEventListener("change", () => on.show(chosen()));
    only.addEventListener("click", () => on.show(chosen().join() === name ? channels.map((one) => one.name) : [name]));
  }
  return { show: (layers, settings) => rows.forEach((row) => showRow(row, layers, settings)) };
}

const changes = (name, on) => ({
  change: (min, max) => on.set(name, { min, max }),
  auto: () => on.set(name, { min: null, max: null }),
});

function channelRow({ name }, prefix, top, on) {
  const row = document.createElement("div");
  const id = `${prefix}-${name}`;
  row.className = "channel";
  row.innerHTML = `
    <label class="check"><input type="checkbox" id="${id}-shown"> <span>${name}</span></label>
    <input type="color" id="${id}-colour" aria-label="Colour of ${name}">
    <button type="button" id="${id}-only" class="quiet" aria-label="Only ${name}" aria-pressed="false"
      title="Show this channel alone, or all again">Only</button>
    <div></div>`;
  const [box, colour] = row.querySelectorAll("input");
  const only = row.querySelector("button");
  const contrast = row.querySelector("div");
  const controls = contrastControls(contrast, id, top, changes(name, on), ` of ${name}`);
  colour.addEventListener("input", () => on.set(name, { colour: colour.value }));
  return { name, row, box, colour, only, contrast, controls };
}

function showRow({ name, box, colour, only, contrast, controls }, layers, settings) {
  const layer = layers.find((one) => one.name === name);
  box.checked = Boolean(layer);
  box.disabled = Boolean(layer) && layers.length === 1; // something must be shown
  colour.value = settings[name].colour;
  colour.disabled = !layer?.colour;
  only.setAttribute("aria-pressed", String(box.disabled));
  contrast.hidden = !layer;
  if (layer) controls.show(layer);
}
