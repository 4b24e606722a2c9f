/**
 * Frames unlike the training frames: the rule "frame-statistics-1", which evaluation/ood.py specifies.
 *
 * @typedef {Object} Ood
 * @property {string} rule
 * @property {number[]} mean of the d statistics.
 * @property {number[][]} precision d by d.
 * @property {number} limit of the squared Mahalanobis distance.
 * @property {number[]} upright_weights
 * @property {number} upright_limit
 *
 * @typedef {"" | "unlike" | "upside_down"} Flag
 * @typedef {{ height: number, width: number }} Size
 */

import { PageError } from "../errors.js";

const RULE = "frame-statistics-1";
const STATISTICS = 26;
const DIFFERENCES = 128;
const [DARK, BRIGHT] = [10, 250];
const LAGS = [1, 2, 4];
const BANDS = 6;
const GRID = 8;
const SMALL = 1e-4;

/** @param {Ood | null} ood @param {string} name of the model, for the message */
export function checkOod(ood, name) {
  if (!ood) return;
  if (ood.rule !== RULE || ood.mean?.length !== STATISTICS || ood.upright_weights?.length !== DIFFERENCES) {
    const found = `${ood.rule} of ${ood.mean?.length} and ${ood.upright_weights?.length} numbers`;
    throw new PageError(
      `${name}: its out-of-distribution rule is ${found}, this page knows ${RULE} of ${STATISTICS} and ${DIFFERENCES}: ` +
        "use a page and a model of the same release.",
    );
  }
  const numbers = [ood.limit, ood.upright_limit, ...ood.mean, ...(ood.precision ?? []).flat()];
  if (!numbers.concat(ood.upright_weights).every(Number.isFinite) || ood.precision?.length !== STATISTICS) {
    throw new PageError(`${name}: its out-of-distribution rule lacks a limit or a number: export the model again.`);
  }
}

/**
 * @param {Ood | null} ood
 * @param {Uint8Array} frame as the model takes it.
 * @param {Size} size
 * @returns {Flag} "" without a rule.
 */
export function flag(ood, frame, size) {
  if (!ood) return "";
  if (distance(ood, statistics(frame, size)) > ood.limit) return "unlike";
  const score = uprightDifferences(frame, size).reduce((sum, value, i) => sum + value * ood.upright_weights[i], 0);
  return score < ood.upright_limit ? "upside_down" : "";
}

/** @param {Ood} ood @param {number[]} found */
function distance({ mean, precision }, found) {
  const away = found.map((value, i) => value - mean[i]);
  return away.reduce((sum, left, i) => sum + left * precision[i].reduce((s, p, j) => s + p * away[j], 0), 0);
}

/** The 26 statistics.
 * @param {Uint8Array} frame @param {Size} size @returns {number[]} */
export function statistics(frame, size) {
  const x = Float64Array.from(frame, (byte) => byte / 255);
  const mean = average(x);
  const variance = average(x.map((value) => (value - mean) ** 2));
  const squares = LAGS.flatMap((lag) => [squaredStep(x, size, 0, lag), squaredStep(x, size, lag, 0)]);
  return [
    Math.sqrt(variance),
    average(frame.map((byte) => (byte <= DARK ? 1 : 0))),
    average(frame.map((byte) => (byte >= BRIGHT ? 1 : 0))),
    ...squares.map((square) => Math.log10(square + SMALL)),
    ...squares.map((square) => square / (2 * variance + SMALL)),
    ...cells(x, size, BANDS, 1),
    ...cells(x, size, 1, BANDS).slice(0, -1),
  ];
}

/** Mean squared difference of pixels `down` rows and `across` columns apart.
 * @param {Float64Array} x @param {Size} size @param {number} down @param {number} across */
function squaredStep(x, { height, width }, down, across) {
  let sum = 0;
  for (let row = 0; row < height - down; row++) {
    for (let column = 0; column < width - across; column++) {
      const from = row * width + column;
      sum += (x[from + down * width + across] - x[from]) ** 2;
    }
  }
  return sum / ((height - down) * (width - across));
}

/** What the upright score weighs: four grids, each in units of its own, minus the same grids upside down.
 * @param {Uint8Array} frame @param {Size} size @returns {number[]} */
export function uprightDifferences(frame, size) {
  const x = Float64Array.from(frame, (byte) => byte / 255);
  const dark = Float64Array.from(frame, (byte) => (byte <= DARK ? 1 : 0));
  const across = cells(acrossSteps(x, size), size, GRID, GRID);
  const down = cells(downSteps(x, size), size, GRID, GRID);
  const grids = [
    cells(x, size, GRID, GRID),
    across.map((value) => Math.log(value + SMALL)),
    cells(dark, size, GRID, GRID),
    across.map((value, i) => Math.log((down[i] + SMALL) / (value + SMALL))),
  ];
  return grids.map(standardised).flatMap((grid) => {
    const upper = grid.slice(0, (GRID / 2) * GRID);
    return upper.map((value, i) => value - grid[(GRID - 1 - Math.floor(i / GRID)) * GRID + (i % GRID)]);
  });
}

/** Squared difference from the pixel to the left; 0 in the first column.
 * @param {Float64Array} x @param {Size} size */
function acrossSteps(x, { width }) {
  return x.map((value, i) => (i % width === 0 ? 0 : (value - x[i - 1]) ** 2));
}

/** Half the squared differences from the pixels above and below, as far as there are such.
 * @param {Float64Array} x @param {Size} size */
function downSteps(x, { width }) {
  const square = (/** @type {number} */ i, /** @type {number} */ j) =>
    j < 0 || j >= x.length ? 0 : (x[i] - x[j]) ** 2 / 2;
  return x.map((_, i) => square(i, i - width) + square(i, i + width));
}

/** @param {number[]} grid */
function standardised(grid) {
  const mean = average(grid);
  const spread = Math.sqrt(average(grid.map((value) => (value - mean) ** 2))) + 1e-3;
  return grid.map((value) => (value - mean) / spread);
}

/** Means over a grid of cells, row by row.
 * @param {Float64Array} x @param {Size} size @param {number} rows @param {number} columns @returns {number[]} */
function cells(x, { height, width }, rows, columns) {
  const means = [];
  for (let row = 0; row < rows; row++) {
    const [top, bottom] = [row, row + 1].map((i) => Math.floor((i * height) / rows));
    for (let column = 0; column < columns; column++) {
      const [left, right] = [column, column + 1].map((i) => Math.floor((i * width) / columns));
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let at = y * width + left; at < y * width + right; at++) sum += x[at];
      means.push(sum / ((bottom - top) * (right - left)));
    }
  }
  return means;
}

/** @param {ArrayLike<number>} values */
function average(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}
