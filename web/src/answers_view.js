/** Keeps what is shown of a session in step with its rows. */

import { toCsv } from "./answers/csv.js";
import { drawChosen } from "./view/chosen.js";
import { clearErrors, element, save, showError } from "./view/page.js";
import { drawBest, drawNotes, drawSpans, drawTiming } from "./view/summary.js";
import { drawTable, turnPage, turnTo } from "./view/table.js";
import { drawLegend, drawTimeline } from "./view/timeline.js";

/** @typedef {import("./answers/session.js").Row} Row */
/** @typedef {import("./frames/area.js").Grey} Grey */

export class AnswersView {
  constructor() {
    /** @type {Row[]} */
    this.rows = [];
    /** @type {string[]} */
    this.classes = [];
    this.chosen = 0;
    /** Pictures that can't be had again: the best frames of a camera.
     * @type {Map<Row, Grey>} */
    this.kept = new Map();
    this.position = /** @type {HTMLInputElement} */ (element("position"));
    this.position.addEventListener("input", () => this.choose(this.position.valueAsNumber));
    element("previous").addEventListener("click", () => this.turn(-1));
    element("next").addEventListener("click", () => this.turn(1));
    element("export").addEventListener("click", () => this.export());
    addEventListener("resize", () => drawTimeline(this.rows, this.chosen));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawTimeline(this.rows, this.chosen));
  }

  /** @param {Row[]} rows which grow @param {string[]} classes */
  begin(rows, classes) {
    Object.assign(this, { rows, classes, chosen: 0, kept: new Map() });
    drawLegend(classes);
    for (const id of ["best", "spans", "table", "notes"]) element(id).replaceChildren();
  }

  /** While frames are answered: the newest is shown.
   * @param {Row} row @param {Grey} image */
  follow(row, image) {
    element("answers").hidden = false;
    this.chosen = this.rows.length - 1;
    drawChosen(row, image, this.classes);
    this.drawPosition();
    drawTiming(this.rows.slice(-500));
  }

  /** Remember a camera's best pictures.
   * @param {Row} row @param {Grey} image */
  keep(row, image) {
    if (row.rejected || row.smoothedClass !== row.rawClass) return;
    const p = (/** @type {Row} */ { probabilities, rawClass }) => probabilities[rawClass];
    const before = [...this.kept.keys()].find(
      (other) => other.rawClass === row.rawClass && other.source === row.source,
    );
    if (before && p(before) >= p(row)) return;
    if (before) this.kept.delete(before);
    this.kept.set(row, image);
  }

  /** When all are answered. */
  async finish() {
    if (!this.rows.length) return;
    drawTiming(this.rows);
    drawNotes(this.rows);
    drawSpans(this.rows, this.classes);
    drawChosen(this.rows[this.chosen], null, this.classes);
    this.drawPosition();
    this.drawTable();
    await drawBest(
      this.rows,
      this.classes,
      (row) => this.pictureOf(row),
      (row) => this.choose(this.rows.indexOf(row)),
    );
  }

  /** @param {number} index of the row */
  async choose(index) {
    clearErrors();
    this.chosen = index;
    const row = this.rows[index];
    turnTo(index);
    drawChosen(row, null, this.classes);
    this.drawPosition();
    this.drawTable();
    try {
      const image = await this.pictureOf(row);
      if (this.chosen === index && image) drawChosen(row, image, this.classes);
    } catch (error) {
      showError(error);
    }
  }

  /** @param {Row} row @returns {Promise<Grey | null>} */
  async pictureOf(row) {
    return this.kept.get(row) ?? row.source.picture(row.index, row.timeS);
  }

  drawPosition() {
    this.position.max = String(this.rows.length - 1);
    this.position.valueAsNumber = this.chosen;
    this.position.setAttribute(
      "aria-valuetext",
      `${element("frame-title").textContent}: ${element("frame-answer").textContent}`,
    );
    drawTimeline(this.rows, this.chosen);
  }

  drawTable() {
    drawTable(this.rows, this.classes, this.chosen, (index) => this.choose(index));
  }

  /** @param {number} by */
  turn(by) {
    turnPage(by);
    this.drawTable();
  }

  export() {
    save(new Blob([toCsv(this.rows, this.classes)], { type: "text/csv" }), "predictions.csv");
  }
}
