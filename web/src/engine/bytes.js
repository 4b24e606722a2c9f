/** Loads one of the engine's scripts and unpacks the WebAssembly that it carries. */

import { supportsFeature } from "@litertjs/core";
import { PageError } from "../errors.js";
import { unpack } from "../packed.js";

/** @returns {Promise<Uint8Array>} */
export async function engineBytes() {
  // Relaxed SIMD is faster and in all current browsers; the other build needs plain SIMD alone.
  const script = (await supportsFeature("relaxedSimd")) ? "engine.js" : "engine_compat.js";
  await addScript(script);
  const packed = /** @type {any} */ (self).ENGINE_WASM;
  delete (/** @type {any} */ (self).ENGINE_WASM);
  return unpack(packed);
}

/** @param {string} source @returns {Promise<void>} */
function addScript(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.onload = () => resolve();
    script.onerror = () => reject(new PageError(`${source} is missing: copy the whole folder of the page again.`));
    document.head.append(script);
  });
}
