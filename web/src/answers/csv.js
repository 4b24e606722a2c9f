/**
 * The table of predict.py: one line for each frame, columns in the same order and words.
 *
 * @param {import("./session.js").Row[]} rows
 * @param {string[]} classes
 * @returns {string}
 */
export function toCsv(rows, classes) {
  const header = ["input", "frame", "time_s", ...classes.map((name) => `p_${name}`)];
  const lines = [[...header, "raw_class", "smoothed_class", "confidence", "rejected", "flag"]];
  for (const row of rows) {
    const { source, index, timeS, probabilities, rawClass, smoothedClass, confidence, rejected } = row;
    const numbers = [index, round(timeS, 6), ...Array.from(probabilities, (p) => round(p, 6))];
    const words = [classes[rawClass], classes[smoothedClass], round(confidence, 6), rejected ? 1 : 0, row.flag];
    lines.push([source.name, ...numbers, ...words].map(String));
  }
  return lines.map((cells) => cells.map(quoted).join(",")).join("\r\n") + "\r\n";
}

/** @param {number} value @param {number} digits */
function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** A cell that a spreadsheet takes for a formula is no name that a file should have: it is quoted as text.
 * @param {string} cell */
function quoted(cell) {
  const safe = /^[=+@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
