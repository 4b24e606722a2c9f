/**
 * Runs a model over sources and keeps one row for each frame.
 *
 * @typedef {import("../model/bundle.js").Model} Model
 * @typedef {import("../engine/engine.js").Runner} Runner
 * @typedef {import("../sources/source.js").Source} Source
 * @typedef {import("../frames/prepare.js").Box} Box
 * @typedef {{ timeConstantS: number, threshold: number }} Rule
 * @typedef {{ threshold: number | null, smoothingS: number | null, crop: Box | null }} Settings null = the model's.
 *
 * @typedef {Object} Row
 * @property {Source} source
 * @property {number} index of the frame in its source.
 * @property {number} timeS
 * @property {Float64Array} probabilities unfiltered.
 * @property {Float64Array} filtered
 * @property {number} rawClass
 * @property {number} smoothedClass
 * @property {number} confidence greatest filtered probability.
 * @property {boolean} rejected
 * @property {import("./ood.js").Flag} flag
 * @property {{ prepareMs: number, modelMs: number }} took
 */

import { PageError } from "../errors.js";
import { prepare } from "../frames/prepare.js";
import { CausalFilter, greatest, toProbabilities, twoSided } from "./decide.js";
import { flag } from "./ood.js";

export class Session {
  /** @param {Model} model @param {Runner} runner @param {Settings} settings */
  constructor(model, runner, settings) {
    this.model = model;
    this.runner = runner;
    this.settings = settings;
    /** @type {Row[]} */
    this.rows = [];
  }

  /**
   * Answer every picture of a source; at its end a video's answers are filtered from both sides.
   *
   * @param {Source} source
   * @param {AbortSignal} signal
   * @param {(row: Row, image: import("../frames/area.js").Grey) => Promise<void>} onRow
   */
  async run(source, signal, onRow) {
    const rule = this.ruleOf(source.kind);
    const filter = new CausalFilter(source.kind === "still" ? 0 : rule.timeConstantS);
    const first = this.rows.length;
    for await (const { index, timeS, image } of source.pictures()) {
      if (signal.aborted) break;
      const row = await this.answer(source, index, timeS, image);
      decide(row, filter.add(row.probabilities, timeS, row.flag ? 0 : 1), rule);
      this.rows.push(row);
      await onRow(row, image);
      if (signal.aborted) break;
    }
    const rows = this.rows.slice(first);
    // A video of one frame is an image, as it is for predict.py.
    if (source.kind === "two_sided" && rows.length === 1) decide(rows[0], rows[0].probabilities, this.ruleOf("still"));
    else if (source.kind === "two_sided") this.filterBothWays(rows, rule);
  }

  /** @param {Source["kind"]} kind @returns {Rule} */
  ruleOf(kind) {
    const point = this.model.decision?.[kind] ?? { time_constant_s: 0, threshold: 0 };
    return {
      timeConstantS: kind === "still" ? 0 : (this.settings.smoothingS ?? point.time_constant_s),
      threshold: this.settings.threshold ?? point.threshold,
    };
  }

  /** @param {Source} source @param {number} index @param {number} timeS @param {import("../frames/area.js").Grey} image
   * @returns {Promise<Row>} */
  async answer(source, index, timeS, image) {
    const { crop } = this.settings;
    if (crop && (crop.x + crop.width > image.width || crop.y + crop.height > image.height)) {
      throw new PageError(
        `${source.name}: the crop ${crop.x},${crop.y},${crop.width},${crop.height} does not lie inside its picture of ` +
          `${image.width}×${image.height} pixels: correct the crop in the settings.`,
      );
    }
    const began = performance.now();
    const frame = prepare(image, this.model.rule, crop).data;
    const found = flag(this.model.ood, frame, this.model.rule);
    const prepared = performance.now();
    const probabilities = toProbabilities(await this.runner.run(frame), this.model.output);
    const answered = performance.now();
    const rawClass = greatest(probabilities);
    return {
      ...{ source, index, timeS, probabilities, filtered: probabilities, rawClass, smoothedClass: rawClass },
      ...{ confidence: probabilities[rawClass], rejected: false, flag: found },
      took: { prepareMs: prepared - began, modelMs: answered - prepared },
    };
  }

  /** @param {Row[]} rows of one video @param {Rule} rule */
  filterBothWays(rows, rule) {
    const filtered = twoSided(
      rows.map((row) => row.probabilities),
      rows.map((row) => row.timeS),
      rule.timeConstantS,
      rows.map((row) => (row.flag ? 0 : 1)),
    );
    rows.forEach((row, i) => decide(row, filtered[i], rule));
  }
}

/** @param {Row} row @param {Float64Array} filtered @param {Rule} rule */
function decide(row, filtered, rule) {
  row.filtered = filtered;
  row.smoothedClass = greatest(filtered);
  row.confidence = filtered[row.smoothedClass];
  row.rejected = row.confidence < rule.threshold || row.flag !== "";
}
