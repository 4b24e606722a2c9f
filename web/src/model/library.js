/**
 * Models that were built into the page: `models.js` carries their files.
 *
 * @typedef {{ name: string, files: Record<string, string> }} Packed files are gzipped, then base64.
 */

import { unpack } from "../packed.js";
import { readModel } from "./bundle.js";

/** @returns {Packed[]} */
export function builtIn() {
  return /** @type {any} */ (self).MODELS ?? [];
}

/** @param {Packed} packed @returns {Promise<import("./bundle.js").Model>} */
export async function readBuiltIn({ files }) {
  return readModel(
    await Promise.all(Object.entries(files).map(async ([name, text]) => ({ name, bytes: await unpack(text) }))),
  );
}
