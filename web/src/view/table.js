/** All frames as a table, some rows at a time. */

import { element, fillTable, line, make } from "./page.js";
import { outcomeOf, seconds, share } from "./words.js";

/** @typedef {import("../answers/session.js").Row} Row */

const ROWS = 25;
let page = 0;

/**
 * @param {Row[]} rows
 * @param {string[]} classes
 * @param {number} chosen index of the row
 * @param {(index: number) => void} choose
 */
export function drawTable(rows, classes, chosen, choose) {
  const pages = Math.max(1, Math.ceil(rows.length / ROWS));
  page = Math.min(page, pages - 1);
  const first = page * ROWS;
  const lines = rows.slice(first, first + ROWS).map((row, i) => {
    const cells = cellsOf(row, first + i, classes, () => choose(first + i));
    return line(cells, { "aria-current": String(first + i === chosen) });
  });
  fillTable("table", ["Frame", "Time", "Class", "Confidence", "Outcome", ...classes, "Input"], lines);
  element("page").textContent = `Rows ${first + 1} to ${Math.min(first + ROWS, rows.length)} of ${rows.length}`;
  element("previous").toggleAttribute("disabled", page === 0);
  element("next").toggleAttribute("disabled", page === pages - 1);
}

/** @param {number} by pages */
export function turnPage(by) {
  page = Math.max(0, page + by);
}

/** @param {number} index of the row that is to be seen */
export function turnTo(index) {
  page = Math.floor(index / ROWS);
}

/** Images on their own have no place in a clip: they are counted, and have no time.
 * @param {Row} row @param {number} number of the row @param {string[]} classes @param {() => void} choose */
function cellsOf(row, number, classes, choose) {
  const isStill = row.source.kind === "still";
  const frame = String(isStill ? number : row.index);
  const label = isStill ? `Show ${row.source.name}` : `Show frame ${frame} of ${row.source.name}`;
  const button = make("button", { type: "button", "aria-label": label }, frame);
  button.addEventListener("click", choose);
  const answer = [classes[row.smoothedClass], share(row.confidence), outcomeOf(row)];
  return [
    button,
    isStill ? "–" : seconds(row.timeS),
    ...answer,
    ...Array.from(row.probabilities, share),
    row.source.name,
  ];
}
