/** The columns that describe a nucleus: readable names, units, and the number of meaningful decimals. */

const COLUMNS = [
  ["area_um2", "Area", "\u00b5m\u00b2", 1],
  ["major_axis_um", "Major axis", "\u00b5m", 2],
  ["minor_axis_um", "Minor axis", "\u00b5m", 2],
  ["eccentricity", "Eccentricity", "", 3],
  ["mean_intensity", "Mean intensity", "", 1],
  ["std_intensity", "Std. dev. of intensity", "", 1],
  ["max_intensity", "Max. intensity", "", 0],
  ["integrated_intensity", "Integrated intensity", "", 0],
  ["background_intensity", "Background intensity", "", 1],
  ["saturated_px", "Saturated pixels", "px", 0],
  ["sharpness", "Sharpness", "", 4],
  ["components", "Separate parts", "", 0],
  ["area_px", "Area", "px", 0],
  ["orientation_deg", "Orientation", "\u00b0", 1],
  ["rotation_deg", "Rotation applied", "\u00b0", 1],
];

const OF_EACH_CHANNEL = ["mean_intensity", "std_intensity", "max_intensity", "integrated_intensity"];
const OF_FIRST_CHANNEL = [...OF_EACH_CHANNEL, "background_intensity", "saturated_px", "sharpness"];
const UNSORTED = ["area_px", "rotation_deg"];

/** Return the columns of a dataset; where it has several channels, names tell the channel that was measured. */
function columnsOf(channels) {
  if (channels.length < 2) return COLUMNS;
  return COLUMNS.flatMap(([column, text, ...rest]) => {
    if (!OF_FIRST_CHANNEL.includes(column)) return [[column, text, ...rest]];
    const measured = OF_EACH_CHANNEL.includes(column) ? channels : channels.slice(0, 1);
    return measured.map(({ name }, i) => [i ? `${column}_${name}` : column, `${text}, ${name}`, ...rest]);
  });
}

/** Return the columns that the sheet can be sorted by, with readable names. */
export function sortable(channels) {
  return columnsOf(channels).filter(([name]) => !UNSORTED.includes(name)).map(([name, text]) => [name, text]);
}

/** Return the name and value, as text, of everything known about a nucleus. */
export function facts(nucleus, columns = [], channels = []) {
  const known = (name) => nucleus[name] !== null && nucleus[name] !== undefined;
  const rows = columnsOf(channels).filter(([name]) => known(name)).map(([name, text, unit, digits]) => {
    const value = nucleus[name].toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return [text, unit === "\u00b0" ? `${value}${unit}` : `${value} ${unit}`.trim()];
  });
  const where = [
    ["Stitched image", nucleus.stitched_image],
    ["Run", known("run_name") ? nucleus.run_name : null],
    ...columns.filter(known).map((name) => [name, String(nucleus[name])]),
    ["Quarter", [nucleus.quarter, nucleus.position?.replaceAll("_", " ")].filter(Boolean).join(", ") || null],
    ["Label", known("label") ? String(nucleus.label) : null],
    ["Centroid", known("centroid_x") ? `x ${nucleus.centroid_x.toFixed(0)}, y ${nucleus.centroid_y.toFixed(0)} px` : null],
  ].filter(([, value]) => value);
  const flags = [["touches_border", "touches the border of its image"], ["clipped", "larger than the crop"]];
  const remarks = flags.filter(([name]) => nucleus[name]).map(([, text]) => ["Note", text]);
  if (nucleus.warnings?.length) remarks.push(["Warnings", nucleus.warnings.join(", ").replaceAll("_", " ")]);
  return [...rows, ...where, ...remarks];
}

/** Return the values of a nucleus in a column as texts: one, or each of a list, of which "none" says that it is empty. */
export function valuesOf(nucleus, by) {
  const value = nucleus[by];
  if (value === null || value === undefined) return ["not stated"];
  if (!Array.isArray(value)) return [String(value)];
  return value.length ? value : ["none"];
}

/** Return the nuclei with a value (or all) in the order of a column (or as drawn); those without one come last. */
export function arranged(nuclei, { by, value, sort, descending }) {
  const chosen = nuclei.filter((nucleus) => nucleus && (value === "" || valuesOf(nucleus, by).includes(value)));
  if (!sort) return descending ? chosen.reverse() : chosen;
  const sign = descending ? -1 : 1;
  return chosen.sort((a, b) => {
    const [x, y] = [a[sort], b[sort]];
    if (x == null || y == null) return (x == null) - (y == null);
    return sign * (x - y);
  });
}
