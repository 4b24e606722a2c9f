/** All frames as a table, some rows at a time. */

import { element, make } from "./page.js";
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
  const names = ["Frame", "Time", "Answer", "Confidence", "Outcome", ...classes, "Input"];
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const body = rows.slice(first, first + ROWS).map((row, i) => line(row, first + i, classes, first + i === chosen, choose));
  element("table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
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

/** @param {Row} row @param {number} number @param {string[]} classes @param {boolean} isChosen
 * @param {(index: number) => void} choose */
function line(row, number, classes, isChosen, choose) {
  const button = make("button", { type: "button", "aria-label": `Show frame ${row.index} of ${row.source.name}` }, String(row.index));
  button.addEventListener("click", () => choose(number));
  const cells = [make("td", {}, button), make("td", {}, seconds(row.timeS)), make("td", {}, classes[row.smoothedClass])];
  cells.push(make("td", {}, share(row.confidence)), make("td", {}, outcomeOf(row)));
  cells.push(...Array.from(row.probabilities, (p) => make("td", {}, share(p))), make("td", {}, row.source.name));
  return make("tr", isChosen ? { "aria-current": "true" } : {}, ...cells);
}
