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
    const cells = cellsOf(row, classes, () => choose(first + i));
    return line(cells, { "aria-current": String(first + i === chosen) });
  });
  fillTable("table", ["Frame", "Time", "Answer", "Confidence", "Outcome", ...classes, "Input"], lines);
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

/** @param {Row} row @param {string[]} classes @param {() => void} choose */
function cellsOf(row, classes, choose) {
  const label = `Show frame ${row.index} of ${row.source.name}`;
  const button = make("button", { type: "button", "aria-label": label }, String(row.index));
  button.addEventListener("click", choose);
  const answer = [classes[row.smoothedClass], share(row.confidence), outcomeOf(row)];
  return [button, seconds(row.timeS), ...answer, ...Array.from(row.probabilities, share), row.source.name];
}
