/**
 * When a classifier answers: the filter over time and the threshold of evaluation/decision.py.
 *
 * @typedef {Float64Array} Probabilities one for each class.
 */

const NOTHING = 1e-12; // a sum of weights below it is none

/** The causal filter, one frame at a time: a camera's frames have a past and no future. */
export class CausalFilter {
  /** @param {number} timeConstantS 0 gives every frame back as it came. */
  constructor(timeConstantS) {
    this.timeConstantS = timeConstantS;
    this.timeS = -Infinity;
    this.weight = 0;
    /** @type {Probabilities | null} */
    this.sum = null;
  }

  /** @param {Probabilities} probabilities @param {number} timeS @param {number} weight 0 leaves the frame out. */
  add(probabilities, timeS, weight) {
    if (this.timeConstantS === 0) return probabilities;
    const stepS = timeS - this.timeS;
    const decay = stepS >= 0 ? Math.exp(-stepS / this.timeConstantS) : 0;
    const past = this.sum;
    this.sum = probabilities.map((p, k) => (past ? past[k] * decay : 0) + weight * p);
    this.weight = this.weight * decay + weight;
    this.timeS = timeS;
    return this.weight > NOTHING ? this.sum.map((value) => value / this.weight) : probabilities;
  }
}

/**
 * The two-sided filter over a clip.
 *
 * @param {Probabilities[]} probabilities
 * @param {number[]} timesS ascending.
 * @param {number} timeConstantS 0 = no filter.
 * @param {number[]} weights 0 leaves a frame out.
 * @returns {Probabilities[]}
 */
export function twoSided(probabilities, timesS, timeConstantS, weights) {
  if (timeConstantS === 0) return probabilities;
  const count = probabilities.length;
  const weighted = probabilities.map((p, i) => Float64Array.from([...p, 1], (value) => value * weights[i]));
  const [forward, backward] = [weighted.map((row) => row.slice()), weighted.map((row) => row.slice())];
  const decay = (/** @type {number} */ i) => Math.exp(-(timesS[i] - timesS[i - 1]) / timeConstantS);
  for (let i = 1; i < count; i++) addTo(forward[i], forward[i - 1], decay(i));
  for (let i = count - 2; i >= 0; i--) addTo(backward[i], backward[i + 1], decay(i + 1));
  return probabilities.map((own, i) => {
    const both = forward[i].map((value, k) => value + backward[i][k] - weighted[i][k]);
    const total = both[own.length];
    return total > NOTHING ? both.slice(0, -1).map((value) => value / total) : own;
  });
}

/** @param {Float64Array} row @param {Float64Array} other @param {number} decay */
function addTo(row, other, decay) {
  for (let k = 0; k < row.length; k++) row[k] += decay * other[k];
}

/** Index of the greatest value, the first of equal ones.
 * @param {Probabilities} values */
export function greatest(values) {
  return values.reduce((best, value, k) => (value > values[best] ? k : best), 0);
}

/**
 * A model's output as probabilities: logits through a softmax; an 8-bit softmax divided by its sum, which rounding has
 * left only near 1.
 *
 * @param {Float64Array} output
 * @param {"probabilities" | "logits"} kind
 * @returns {Probabilities}
 */
export function toProbabilities(output, kind) {
  const highest = Math.max(...output);
  const values = kind === "logits" ? output.map((value) => Math.exp(value - highest)) : output;
  const sum = Math.max(
    values.reduce((total, value) => total + value, 0),
    Number.MIN_VALUE * 2 ** 52,
  );
  return values.map((value) => value / sum);
}
