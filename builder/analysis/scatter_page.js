"use strict";
// Images in order of rank: [name, ROIs, mean intensity, standard deviation, distance to the centroid].
const data = JSON.parse(document.getElementById("data").textContent);
const images = data.images;
const [NAME, ROIS, MEAN, STD, DISTANCE] = [0, 1, 2, 3, 4];
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];
const chart = document.getElementById("chart");
const figure = document.getElementById("figure");
const tip = document.getElementById("tip");
const count = new Intl.NumberFormat("en");
let points = []; // where each image is drawn: [x, y], px
let current = -1;

const panorama = (name) => `${data.panoramas}#${new URLSearchParams({ image: name })}`;

function element(parent, name, attributes, text) {
  const made = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function colour(part) {
  const place = Math.min(Math.max(part, 0), 1) * (VIRIDIS.length - 1);
  const first = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const channel = (stop, at) => parseInt(VIRIDIS[stop].slice(at, at + 2), 16);
  const mixed = [0, 2, 4].map((at) => Math.round(channel(first, at) + (place - first) * (channel(first + 1, at) - channel(first, at))));
  return `rgb(${mixed.join(",")})`;
}

function ticks(low, high, most) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => (high - low) / one <= most);
  const found = [];
  for (let number = Math.ceil(low / step); number * step <= high; number++) found.push(+(number * step).toPrecision(12));
  return found;
}

function range(column, margin) {
  let [low, high] = [Infinity, -Infinity];
  for (const image of images) [low, high] = [Math.min(low, image[column]), Math.max(high, image[column])];
  const space = margin * (high - low) || (margin ? Math.max(Math.abs(high) * 0.1, 0.5) : 0);
  return [low - space, high + space];
}

function draw() {
  const width = figure.clientWidth;
  if (!width) return;
  const height = Math.round(Math.min(Math.max(width * 0.72, 380), 640));
  const box = { left: 58, right: width - 12, top: 62, bottom: height - 48 };
  const [rois, mean] = [range(ROIS, 0.04), range(MEAN, 0.04)];
  const x = (value) => box.left + ((value - rois[0]) / (rois[1] - rois[0])) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - mean[0]) / (mean[1] - mean[0])) * (box.bottom - box.top);
  chart.replaceChildren();
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.setAttribute("height", height);
  drawAxes(box, rois, mean, x, y);
  const scale = drawColourBar(box);
  points = images.map((image) => [x(image[ROIS]), y(image[MEAN])]);
  const radius = (images.length > 400 ? 3.2 : 4.5) * (width < 600 ? 0.7 : 1);
  for (let rank = images.length - 1; rank >= 0; rank--) {
    const [cx, cy] = points[rank];
    element(chart, "circle", { class: "point", cx: cx.toFixed(1), cy: cy.toFixed(1), r: radius, fill: scale(images[rank][STD]) });
  }
  for (const [cx, cy] of points.slice(0, data.top)) element(chart, "circle", { class: "ring", cx, cy, r: radius + 1.6 });
  drawCentroid(x(data.centroid[0]), y(data.centroid[1]), box);
  element(chart, "circle", { id: "current", class: "current", r: radius + 5, visibility: "hidden" });
  show(current);
}

function drawAxes(box, rois, mean, x, y) {
  for (const value of ticks(rois[0], rois[1], (box.right - box.left) / 70)) {
    element(chart, "line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom });
    element(chart, "text", { class: "tick", x: x(value), y: box.bottom + 18, "text-anchor": "middle" }, count.format(value));
  }
  for (const value of ticks(mean[0], mean[1], 7)) {
    element(chart, "line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) });
    element(chart, "text", { class: "tick", x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, count.format(value));
  }
  element(chart, "path", { class: "axis", fill: "none", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` });
  const middle = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  element(chart, "text", { x: middle[0], y: box.bottom + 40, "text-anchor": "middle" }, "number of ROIs (regions of interest)");
  const turned = { x: 14, y: middle[1], "text-anchor": "middle", transform: `rotate(-90 14 ${middle[1]})` };
  element(chart, "text", turned, "mean intensity (camera values)");
}

function drawColourBar(box) {
  const [low, high] = range(STD, 0);
  const wide = Math.min(220, box.right - box.left);
  const left = box.right - wide;
  const gradient = element(element(chart, "defs"), "linearGradient", { id: "colours" });
  VIRIDIS.forEach((stop, at) => element(gradient, "stop", { offset: at / (VIRIDIS.length - 1), "stop-color": `#${stop}` }));
  element(chart, "text", { x: box.right, y: 12, "text-anchor": "end" }, "standard deviation of intensity (camera values)");
  element(chart, "rect", { x: left, y: 20, width: wide, height: 10, fill: "url(#colours)" });
  const ends = low < high ? [[left, "start", low], [left + wide / 2, "middle", (low + high) / 2], [box.right, "end", high]] : [[left, "start", low]];
  for (const [at, anchor, value] of ends) {
    element(chart, "text", { class: "tick", x: at, y: 45, "text-anchor": anchor }, value.toFixed(1));
  }
  return (value) => colour(low < high ? (value - low) / (high - low) : 0);
}

function drawCentroid(cx, cy, box) {
  element(chart, "path", { class: "cross", d: `M${box.left} ${cy}H${box.right}M${cx} ${box.top}V${box.bottom}` });
  const d = `M${cx - 5} ${cy}H${cx + 5}M${cx} ${cy - 5}V${cy + 5}`;
  for (const kind of ["halo", "centroid"]) element(chart, "path", { class: kind, d });
  const end = cx > box.right - 90;
  element(chart, "text", { class: "name", x: cx + (end ? -6 : 6), y: box.top + 12, "text-anchor": end ? "end" : "start" }, "centroid");
}

function facts(image) {
  return `${count.format(image[ROIS])} ROIs, mean intensity ${image[MEAN].toFixed(4)}, standard deviation ${image[STD].toFixed(4)}, distance ${image[DISTANCE].toFixed(4)}`;
}

function show(rank, spoken) {
  current = rank;
  const mark = document.getElementById("current");
  tip.hidden = rank < 0;
  mark.setAttribute("visibility", rank < 0 ? "hidden" : "visible");
  if (rank < 0) return;
  const [cx, cy] = points[rank];
  mark.setAttribute("cx", cx);
  mark.setAttribute("cy", cy);
  tip.firstElementChild.textContent = images[rank][NAME];
  tip.lastElementChild.textContent = `${facts(images[rank])}, rank ${rank + 1}`;
  const above = cy - tip.offsetHeight - 14;
  tip.style.left = `${Math.min(Math.max(cx - tip.offsetWidth / 2, 0), figure.clientWidth - tip.offsetWidth)}px`;
  tip.style.top = `${above < 0 ? cy + 14 : above}px`;
  if (spoken) document.getElementById("spoken").textContent = `${images[rank][NAME]}: ${tip.lastElementChild.textContent}`;
}

function follow(rank) {
  if (data.panoramas && rank >= 0) window.open(panorama(images[rank][NAME]), "_blank", "noopener");
}

function nearest(event, reach) {
  const frame = chart.getBoundingClientRect();
  const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
  let [best, away] = [-1, reach];
  points.forEach(([cx, cy], rank) => {
    const distance = Math.hypot(cx - px, cy - py);
    if (distance < away) [best, away] = [rank, distance];
  });
  return best;
}

// The ranks in the order of a column, and where each stands in it.
const orders = [ROIS, MEAN].map((column) => {
  const order = images.map((_, rank) => rank).sort((a, b) => images[a][column] - images[b][column] || a - b);
  const place = [];
  order.forEach((rank, at) => (place[rank] = at));
  return { order, place };
});

function step(axis, by) {
  const { order, place } = orders[axis];
  return order[Math.min(Math.max(place[current] + by, 0), images.length - 1)];
}

const KEYS = {
  ArrowRight: () => step(0, 1), ArrowLeft: () => step(0, -1), ArrowUp: () => step(1, 1), ArrowDown: () => step(1, -1),
  PageDown: () => Math.min(current + 1, images.length - 1), PageUp: () => Math.max(current - 1, 0),
  Home: () => 0, End: () => images.length - 1,
};

chart.addEventListener("pointermove", (event) => event.pointerType === "mouse" && show(nearest(event, 20)));
chart.addEventListener("pointerdown", (event) => show(nearest(event, event.pointerType === "mouse" ? 20 : 32)));
chart.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(-1));
chart.addEventListener("click", (event) => event.pointerType !== "touch" && follow(nearest(event, 20)));
chart.addEventListener("focus", () => current < 0 && chart.matches(":focus-visible") && show(0, true));
chart.addEventListener("blur", () => show(-1));
chart.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return show(-1);
  if (event.key === "Enter") return follow(current);
  if (!(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  show(current < 0 ? 0 : KEYS[event.key](), true);
});

const COLUMNS = ["rank", "image", "ROIs", "mean intensity", "standard deviation", "distance"];
let sorted = { column: 0, descending: false };

function fillTable() {
  const rows = images.map((image, rank) => [rank + 1, ...image]);
  const { column, descending } = sorted;
  rows.sort((a, b) => (descending ? -1 : 1) * (a[column] < b[column] ? -1 : a[column] > b[column] ? 1 : 0) || a[0] - b[0]);
  const body = document.querySelector("tbody");
  body.replaceChildren();
  for (const row of rows) {
    const line = element(body, "tr", row[0] <= data.top ? { class: "top" } : {});
    row.forEach((value, at) => {
      const text = at > 2 ? value.toFixed(4) : String(value);
      if (at === 1 && data.panoramas) element(element(line, "th", { scope: "row" }), "a", { href: panorama(text) }, text);
      else if (at === 1) element(line, "th", { scope: "row" }, text);
      else element(line, "td", {}, text);
    });
  }
  document.querySelectorAll("thead th").forEach((head, at) =>
    head.setAttribute("aria-sort", at !== column ? "none" : descending ? "descending" : "ascending"));
}

function view(table) {
  document.getElementById("plot").hidden = table;
  document.getElementById("table").hidden = !table;
  document.getElementById("show-plot").setAttribute("aria-pressed", !table);
  document.getElementById("show-table").setAttribute("aria-pressed", table);
  if (!table) draw();
  else if (!document.querySelector("tbody tr")) fillTable();
}

const head = element(document.querySelector("thead"), "tr");
COLUMNS.forEach((name, at) => {
  element(element(head, "th", { scope: "col" }), "button", { type: "button" }, name).addEventListener("click", () => {
    sorted = { column: at, descending: sorted.column === at && !sorted.descending };
    fillTable();
  });
});
document.getElementById("show-plot").addEventListener("click", () => view(false));
document.getElementById("show-table").addEventListener("click", () => view(true));
document.getElementById("summary").textContent = data.summary;
chart.setAttribute("aria-label", data.summary);
if (data.panoramas) document.getElementById("keys").append(" A click or Enter opens the panorama of the image.");
for (const note of data.notes) element(document.getElementById("notes"), "li", {}, note);
new ResizeObserver(draw).observe(figure);
draw();
