/** The channels of a dataset: which are shown, in which colours and contrasts, and how an address says that. */

/** Colours that people with any colour vision tell apart; the first two add up to white. Source: Okabe and Ito (2008). */
export const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2"];
const MOST_AT_FIRST = 4; // each further one is as much to read again
const BETWEEN = "-"; // no name has it, and addresses show it as it is

/**
 * @typedef {{name: string, column: string}} Channel `name` is empty for the only one of a dataset without names
 * @typedef {{colour: string, min: number | null, max: number | null}} Setting null for automatic contrast
 * @typedef {{column: string, name: string, colour: string | null, min: number, max: number, automatic: boolean}} Layer
 *   a channel as it is shown; `colour` is null for grey
 */

/** @returns {Channel[]} the channels of these names; one without a name where there are none */
export function channelsOf(names = []) {
  if (!names.length) return [{ name: "", column: "image" }];
  return names.map((name, i) => ({ name, column: i ? `image_${name}` : "image" }));
}

/** Return what a view says of channels before anything is chosen; nothing where there is one. */
export function defaultChannels({ channels }) {
  if (channels.length < 2) return {};
  const settings = channels.map(({ name }, i) => [name, { colour: COLOURS[i % COLOURS.length], min: null, max: null }]);
  return { channels: shownAtFirst(channels), settings: Object.fromEntries(settings) };
}

const shownAtFirst = (channels) => channels.slice(0, MOST_AT_FIRST).map(({ name }) => name);

/** Read what an address says of channels into a view; parts that do not fit are added to `wrong`. */
export function readChannels(given, view, { channels, bitDepth }, wrong) {
  if (channels.length < 2) return;
  const take = (key, read) => {
    const text = given.get(key);
    if (text !== null && !read(text)) wrong.push(`${key}=${text.slice(0, 40)}`);
  };
  take("channels", (text) => {
    const wanted = text.split(BETWEEN);
    const found = channels.filter(({ name }) => wanted.includes(name)).map(({ name }) => name);
    if (found.length !== wanted.length) return false;
    view.channels = found;
    return true;
  });
  for (const { name } of channels) {
    const setting = view.settings[name];
    take(`${name}.colour`, (text) => /^[0-9a-f]{6}$/.test(text) && (setting.colour = `#${text}`));
    take(`${name}.contrast`, (text) => {
      const [min, max] = /^\d{1,5}-\d{1,5}$/.test(text) ? text.split(BETWEEN).map(Number) : [1, 0];
      return min < max && max < 2 ** bitDepth && Object.assign(setting, { min, max });
    });
  }
}

/** Return the parts of an address that say what differs from the defaults. */
export function writeChannels(view, info) {
  const { channels, settings } = defaultChannels(info);
  if (!channels) return [];
  const parts = view.channels.join() === channels.join() ? [] : [["channels", view.channels.join(BETWEEN)]];
  for (const [name, { colour, min, max }] of Object.entries(view.settings)) {
    if (colour !== settings[name].colour) parts.push([`${name}.colour`, colour.slice(1)]);
    if (min !== null) parts.push([`${name}.contrast`, `${min}${BETWEEN}${max}`]);
  }
  return parts;
}

/** Return the columns of the channels that a view shows. */
export function shownColumns(view, { channels }) {
  return channels.filter(({ name }) => channels.length < 2 || view.channels.includes(name)).map(({ column }) => column);
}

/**
 * Return the channels that a view shows: one alone in grey, several in their colours.
 *
 * @param {Object<string, {min: number, max: number}>} automatic contrast by column
 * @returns {Layer[] | null} null while the contrast of one is not known
 */
export function layersOf(view, info, automatic) {
  const columns = shownColumns(view, info);
  if (!columns.every((column) => automatic[column])) return null;
  const shown = info.channels.filter(({ column }) => columns.includes(column));
  return shown.map(({ name, column }) => {
    const { min, max, colour } = view.settings?.[name] ?? view;
    const own = min === null ? automatic[column] : { min, max };
    return { name, column, colour: shown.length > 1 ? colour : null, ...own, automatic: min === null };
  });
}

/** Return red, green and blue of a colour #rrggbb, 0 to 255. */
export function rgb(colour) {
  const number = parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}
