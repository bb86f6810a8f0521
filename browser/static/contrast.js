/** The controls for the grey values shown black and white. */

/**
 * @param {HTMLElement} place element that holds them
 * @param {string} prefix of their ids, different for each place
 * @param {number} top largest grey value
 * @param {{change: (min: number, max: number) => void, auto: () => void}} on called when they are changed
 * @param {string} of whose grey values, such as " of dapi"; nothing where there is one channel
 * @returns {{show: (range: {min: number, max: number, automatic: boolean}) => void}}
 */
export function contrastControls(place, prefix, top, on, of = "") {
  place.className = "contrast";
  place.innerHTML = `
    <label class="slide"><span>Min</span><input type="range" id="${prefix}-min" min="0" max="${top - 1}"
      aria-label="Grey value${of} shown black"><output for="${prefix}-min"></output></label>
    <label class="slide"><span>Max</span><input type="range" id="${prefix}-max" min="1" max="${top}"
      aria-label="Grey value${of} shown ${of ? "brightest" : "white"}"><output for="${prefix}-max"></output></label>
    <button type="button" id="${prefix}-auto" class="quiet" aria-pressed="false"${of && ` aria-label="Auto contrast${of}"`}
      title="From percentile 1 to 99.8 of the pixels of the nuclei">Auto</button>
    <button type="button" id="${prefix}-reset" class="quiet"${of && ` aria-label="Reset contrast${of}"`} title="All grey values: 0 to ${top}">Reset</button>`;
  const [low, high] = place.querySelectorAll("input");
  const [lowText, highText] = place.querySelectorAll("output");
  const [auto, reset] = place.querySelectorAll("button");
  low.addEventListener("input", () => on.change(Number(low.value), Math.max(Number(high.value), Number(low.value) + 1)));
  high.addEventListener("input", () => on.change(Math.min(Number(low.value), Number(high.value) - 1), Number(high.value)));
  auto.addEventListener("click", () => on.auto());
  reset.addEventListener("click", () => on.change(0, top));
  return {
    show({ min, max, automatic }) {
      low.value = min;
      high.value = max;
      lowText.textContent = min;
      highText.textContent = max;
      auto.setAttribute("aria-pressed", String(automatic));
    },
  };
}
