/** What all frames together say: best frames, spans, counts, frame times. */

import { bestRows, counts, medianAndP95, spans } from "../answers/summary.js";
import { element, fillTable, line, make, save } from "./page.js";
import { draw } from "./picture.js";
import { nameOf, seconds, share } from "./words.js";

/** @typedef {import("../answers/session.js").Row} Row */
/** @typedef {import("../frames/area.js").Grey} Grey */

/** In one sentence, for the status line.
 * @param {Row[]} rows @param {string[]} classes */
export function inWords(rows, classes) {
  const { kept, rejected, flagged } = counts(rows, classes.length);
  const answered = classes.map((name, k) => `${name} ${kept[k]}`).join(", ");
  return `${rows.length} frames answered: ${answered}; ${rejected} without an answer, ${flagged} of them flagged as unlike the training images or upside down.`;
}

/** @param {Row[]} rows */
export function drawTiming(rows) {
  const prepare = medianAndP95(rows.map(({ took }) => took.prepareMs));
  const model = medianAndP95(rows.map(({ took }) => took.modelMs));
  const all = medianAndP95(rows.map(({ took }) => took.prepareMs + took.modelMs));
  const ms = (/** @type {number} */ value) => value.toFixed(1);
  element("timing").textContent =
    `Time of a frame: ${ms(all.median)} ms (median; 95 % within ${ms(all.p95)} ms): ${ms(prepare.median)} ms to resize and check it, ` +
    `${ms(model.median)} ms for the model. Decoding comes on top.`;
}

/** @param {Row[]} rows */
export function drawNotes(rows) {
  const notes = new Set(rows.flatMap(({ source }) => [...source.notes]));
  element("notes").replaceChildren(...[...notes].map((note) => make("li", {}, note)));
}

/** @param {Row[]} rows @param {string[]} classes */
export function drawSpans(rows, classes) {
  const found = spans(rows.filter(({ source }) => source.kind !== "still"));
  element("span-part").hidden = !found.length;
  const lines = found.map(({ first, last, smoothedClass, frames, confidence }) => {
    const times = [seconds(first.timeS), seconds(last.timeS)];
    return line([classes[smoothedClass], first.source.name, ...times, String(frames), share(confidence)]);
  });
  fillTable("spans", ["Class", "Input", "From", "To", "Frames", "Mean confidence"], lines);
}

/**
 * @param {Row[]} rows
 * @param {string[]} classes
 * @param {(row: Row) => Promise<Grey | null>} pictureOf
 * @param {(row: Row) => void} choose
 */
export async function drawBest(rows, classes, pictureOf, choose) {
  const found = bestRows(rows, classes.length).flatMap((row, k) => (row ? [{ row, k }] : []));
  const figures = await Promise.all(
    found.map(async ({ row, k }) => figure(row, classes[k], k, await pictureOf(row), choose)),
  );
  element("best").replaceChildren(...(figures.length ? figures : [make("p", {}, "No frame was kept.")]));
}

/** @param {Row} row @param {string} name @param {number} k @param {Grey | null} image @param {(row: Row) => void} choose */
function figure(row, name, k, image, choose) {
  const canvas = /** @type {HTMLCanvasElement} */ (
    make("canvas", { role: "img", "aria-label": `Best frame of ${name}` })
  );
  if (image) draw(canvas, image);
  const show = make("button", { type: "button", "aria-label": `Show the best frame of ${name}` }, "Show");
  show.addEventListener("click", () => choose(row));
  const png = make("button", { type: "button", "aria-label": `Save the best frame of ${name} as PNG` }, "Save PNG");
  png.addEventListener("click", () =>
    canvas.toBlob((blob) => blob && save(blob, `${name}_${row.source.name}_${row.index}.png`)),
  );
  const caption = make(
    "figcaption",
    {},
    make("strong", {}, `${name} ${share(row.probabilities[k])}`),
    ` ${nameOf(row)}`,
  );
  return make("figure", {}, canvas, caption, make("div", { class: "controls" }, show, ...(image ? [png] : [])));
}
