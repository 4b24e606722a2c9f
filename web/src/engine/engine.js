/** The one place that knows LiteRT: a model's bytes in, a function from frame to answer out. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { PageError } from "../errors.js";

/**
 * @typedef {Object} Runner
 * @property {(frame: Uint8Array<ArrayBuffer>) => Promise<Float64Array>} run
 *     One frame's bytes to the model's output: numbers, dequantized where the model's are 8-bit.
 * @property {() => void} close Frees the model.
 */

/** @type {Promise<unknown> | null} */
let started = null;

/** Load the engine once.
 * @returns {Promise<unknown>} */
export function startEngine() {
  if (typeof WebAssembly !== "object") {
    throw new PageError(
      "This browser has no WebAssembly, which the model runs in: allow it in the browser's settings (it is off in some " +
        "high-security modes), or use a current Firefox, Chrome, Edge or Safari.",
    );
  }
  // The path is not used: src/engine/wasm_lib.js takes the bytes from a script.
  started ??= loadLiteRt("engine.js").catch((error) => {
    started = null;
    if (error instanceof PageError) throw error;
    throw new PageError(`This browser's WebAssembly can't run the engine (${error.message}): update the browser.`);
  });
  return started;
}

/**
 * @param {Uint8Array} bytes of a .tflite file.
 * @param {import("../model/tflite.js").Tensors} tensors of that file.
 * @param {string} name of the file, for messages.
 * @returns {Promise<Runner>}
 */
export async function compile(bytes, { input, output }, name) {
  await startEngine();
  const model = await loadAndCompile(bytes, { accelerator: "wasm" }).catch((/** @type {Error} */ error) => {
    throw new PageError(`${name}: the engine refuses this model (${error.message}): export it again.`);
  });
  return {
    async run(frame) {
      const given = Tensor.fromTypedArray(inputValues(frame, input), input.shape);
      const [answer] = await model.run([given]);
      const values = dequantized(answer.toTypedArray(), output);
      // LiteRT's tensors lie outside the reach of the garbage collector.
      given.delete();
      answer.delete();
      return values;
    },
    close: () => model.delete(),
  };
}

/** @param {Uint8Array<ArrayBuffer>} frame @param {import("../model/tflite.js").Tensor} input */
function inputValues(frame, { type }) {
  return type === "float32" ? Float32Array.from(frame, (value) => value / 255) : frame;
}

/** @param {ArrayLike<number>} values @param {import("../model/tflite.js").Tensor} output */
function dequantized(values, { type, scale, zeroPoint }) {
  return Float64Array.from(values, (value) => (type === "float32" ? value : (value - zeroPoint) * scale));
}
