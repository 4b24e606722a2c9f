/**
 * What rows add up to: spans of one class, best frames, frame times. The rules are those of deployment/prediction.py.
 *
 * @typedef {import("./session.js").Row} Row
 * @typedef {{ first: Row, last: Row, smoothedClass: number, frames: number, confidence: number }} Span
 */

/** Spans of frames that follow each other with one class; rejected frames are in none.
 * @param {Row[]} rows @returns {Span[]} */
export function spans(rows) {
  /** @type {Span[]} */
  const found = [];
  /** @type {Row | null} */
  let before = null;
  for (const row of rows) {
    const span = found[found.length - 1];
    const goesOn =
      before && !before.rejected && before.source === row.source && before.smoothedClass === row.smoothedClass;
    if (!row.rejected && goesOn && row.source.kind !== "still") {
      span.confidence = (span.confidence * span.frames + row.confidence) / (span.frames + 1);
      span.frames += 1;
      span.last = row;
    } else if (!row.rejected) {
      found.push({ first: row, last: row, smoothedClass: row.smoothedClass, frames: 1, confidence: row.confidence });
    }
    before = row;
  }
  return found;
}

/**
 * The frame of each class with the greatest probability of its own, unfiltered, among the frames that are kept and
 * whose filtered and unfiltered class it is; the earlier of two.
 *
 * @param {Row[]} rows
 * @param {number} count of classes.
 * @returns {(Row | null)[]} one for each class.
 */
export function bestRows(rows, count) {
  /** @type {(Row | null)[]} */
  const best = Array(count).fill(null);
  for (const row of rows) {
    const { rawClass: k } = row;
    if (row.rejected || row.smoothedClass !== k) continue;
    if (row.probabilities[k] > (best[k]?.probabilities[k] ?? -1)) best[k] = row;
  }
  return best;
}

/** Frames kept of each class, rejected, and flagged.
 * @param {Row[]} rows @param {number} count of classes */
export function counts(rows, count) {
  const kept = Array(count).fill(0);
  for (const row of rows) if (!row.rejected) kept[row.smoothedClass] += 1;
  return { kept, rejected: rows.filter((row) => row.rejected).length, flagged: rows.filter((row) => row.flag).length };
}

/** Median and 95th percentile, ms; NaN without a value.
 * @param {number[]} values */
export function medianAndP95(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (/** @type {number} */ share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { median: at(0.5), p95: at(0.95) };
}
