/** How numbers and rows are worded, the same in every part of the page. */

/** @typedef {import("../answers/session.js").Row} Row */

/** @param {number} p */
export function share(p) {
  return p.toFixed(3);
}

/** @param {number} timeS */
export function seconds(timeS) {
  return `${timeS.toFixed(2)} s`;
}

/** @param {Row} row */
export function nameOf(row) {
  return row.source.kind === "still"
    ? row.source.name
    : `${row.source.name}, frame ${row.index}, ${seconds(row.timeS)}`;
}

/** @param {Row} row @param {string[]} classes */
export function answerOf(row, classes) {
  if (row.flag === "unlike") return "Unlike the training images: no answer";
  if (row.flag === "upside_down") return "Upside down: no answer";
  const answer = `${classes[row.smoothedClass]}, ${share(row.confidence)}`;
  return row.rejected ? `Not sure enough (${answer}): no answer` : answer;
}

/** @param {Row} row */
export function outcomeOf(row) {
  if (row.flag) return row.flag === "unlike" ? "unlike training images" : "upside down";
  return row.rejected ? "rejected" : "kept";
}

/** Colours are eight; further classes begin again.
 * @param {number} k */
export function keyOf(k) {
  return `key-${k % 8}`;
}
