/** The histogram of a nucleus, a channel in bars, several as lines in their colours. */

const BINS = 64;

/**
 * Draw the histograms of channels, and mark the grey values that are shown black and full.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{image: object, colour: string | null, min: number, max: number}[]} shown
 */
export function drawHistograms(canvas, shown) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  Object.assign(canvas, { width, height });
  canvas.classList.toggle("coloured", shown.some(({ colour }) => colour));
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  for (const { image, colour, min, max } of shown) {
    const heights = barHeights(histogram(image), height);
    pen.fillStyle = pen.strokeStyle = colour ?? style.color;
    if (colour) drawLine(pen, heights, ratio);
    else drawBars(pen, heights, ratio);
    pen.fillStyle = colour ?? style.getPropertyValue("--accent");
    const at = (value) => Math.min(width - 2 * ratio, (value / 2 ** image.bitDepth) * width);
    for (const value of [min, max]) pen.fillRect(at(value), 0, 2 * ratio, height);
  }
}

/** Count the grey values of an image in equal steps, without the empty surroundings of value 0. */
function histogram({ pixels, bitDepth }) {
  const counts = new Float64Array(BINS);
  const width = 2 ** bitDepth / BINS;
  for (const value of pixels) if (value) counts[Math.floor(value / width)]++;
  return counts;
}

function barHeights(counts, height) {
  const most = Math.sqrt(Math.max(1, ...counts));
  return Array.from(counts, (count) => (Math.sqrt(count) / most) * (height - 2));
}

function drawBars(pen, heights, ratio) {
  const { width, height } = pen.canvas;
  heights.forEach((tall, i) => {
    pen.fillRect((i * width) / BINS, height - tall, Math.max(1, width / BINS - ratio), tall);
  });
}

function drawLine(pen, heights, ratio) {
  const { width, height } = pen.canvas;
  pen.lineWidth = 1.5 * ratio;
  pen.beginPath();
  heights.forEach((tall, i) => pen.lineTo(((i + 0.5) * width) / BINS, height - tall));
  pen.stroke();
}
