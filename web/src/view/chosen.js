/** One frame: its picture, its answer and its probabilities. */

import { element, make } from "./page.js";
import { draw } from "./picture.js";
import { answerOf, keyOf, nameOf, share } from "./words.js";

/** @typedef {import("../answers/session.js").Row} Row */
/** @typedef {import("../frames/area.js").Grey} Grey */

const SVG = "http://www.w3.org/2000/svg";

/** @param {Row} row @param {Grey | null} image null leaves the picture as it is. @param {string[]} classes */
export function drawChosen(row, image, classes) {
  const canvas = /** @type {HTMLCanvasElement} */ (element("picture"));
  if (image) {
    draw(canvas, image);
    canvas.setAttribute("aria-label", `${nameOf(row)}: ${answerOf(row, classes)}`);
  }
  element("frame-title").textContent = nameOf(row);
  const answer = element("frame-answer");
  answer.textContent = answerOf(row, classes);
  answer.classList.toggle("out", row.rejected);
  element("bars").replaceChildren(
    ...Array.from(row.probabilities, (p, k) => make("li", {}, `${classes[k]} ${share(p)}`, bar(p, k))),
  );
}

/** A bar without inline style, which the page's policy forbids.
 * @param {number} p @param {number} k */
function bar(p, k) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("width", String(100 * p));
  rect.setAttribute("height", "1");
  rect.setAttribute("class", keyOf(k));
  svg.append(rect);
  return svg;
}
