/**
 * What frames come from.
 *
 * @typedef {import("../frames/area.js").Grey} Grey
 * @typedef {{ index: number, timeS: number, image: Grey }} Picture
 *
 * @typedef {Object} Source
 * @property {string} name
 * @property {"still" | "causal" | "two_sided"} kind which operating point of the model's decision holds for it.
 * @property {() => AsyncGenerator<Picture>} pictures in order.
 * @property {(index: number, timeS: number) => Promise<Grey | null>} picture one of them again; null where it is gone.
 * @property {() => void} close
 * @property {number | null} durationS null where nobody knows.
 * @property {Set<string>} notes what a reader of the answers should know, filled while pictures are read.
 */

export {};
