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
const [DARK, BRIGHT] = [10, 250];
const LAGS = [1, 2, 4];
const BANDS = 6;
const GRID = 8;

/** @param {Ood | null} ood @param {string} name of the model, for the message */
export function checkOod(ood, name) {
  if (ood && ood.rule !== RULE) {
    throw new PageError(
      `${name}: its out-of-distribution rule is ${ood.rule}, this page knows ${RULE}: use a newer page.`,
    );
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

/** The d = 20 statistics.
 * @param {Uint8Array} frame @param {Size} size @returns {number[]} */
export function statistics(frame, { height, width }) {
  const x = Float64Array.from(frame, (byte) => byte / 255);
  const mean = average(x);
  const found = [
    Math.sqrt(average(x.map((value) => (value - mean) ** 2))),
    frame.reduce((count, byte) => count + (byte <= DARK ? 1 : 0), 0) / frame.length,
    frame.reduce((count, byte) => count + (byte >= BRIGHT ? 1 : 0), 0) / frame.length,
  ];
  for (const lag of LAGS) {
    found.push(
      Math.log10(1e-4 + step(x, { height, width }, 0, lag)),
      Math.log10(1e-4 + step(x, { height, width }, lag, 0)),
    );
  }
  const columns = cells(x, { height, width }, 1, BANDS).slice(0, -1);
  return [...found, ...cells(x, { height, width }, BANDS, 1), ...columns];
}

/** Mean squared difference of pixels `down` rows and `across` columns apart.
 * @param {Float64Array} x @param {Size} size @param {number} down @param {number} across */
function step(x, { height, width }, down, across) {
  let sum = 0;
  for (let row = 0; row < height - down; row++) {
    for (let column = 0; column < width - across; column++) {
      const from = row * width + column;
      sum += (x[from + down * width + across] - x[from]) ** 2;
    }
  }
  return sum / ((height - down) * (width - across));
}

/** What the upright score weighs: three grids minus the same grids upside down.
 * @param {Uint8Array} frame @param {Size} size @returns {number[]} */
export function uprightDifferences(frame, size) {
  const x = Float64Array.from(frame, (byte) => byte / 255);
  const across = x.map((value, i) => (i % size.width === 0 ? 0 : (value - x[i - 1]) ** 2));
  const dark = Float64Array.from(frame, (byte) => (byte <= DARK ? 1 : 0));
  const grids = [
    cells(x, size, GRID, GRID),
    cells(across, size, GRID, GRID).map(Math.sqrt),
    cells(dark, size, GRID, GRID),
  ];
  return grids.flatMap((grid) => {
    const upper = grid.slice(0, (GRID / 2) * GRID);
    return upper.map((value, i) => value - grid[(GRID - 1 - Math.floor(i / GRID)) * GRID + (i % GRID)]);
  });
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

/** @param {Float64Array} values */
function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
