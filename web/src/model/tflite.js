/**
 * The first input and output of a .tflite file: type, shape and quantization, which LiteRT does not tell.
 *
 * A .tflite file is a FlatBuffer of the published schema (tensorflow/lite/schema/schema.fbs); the numbers below are the
 * fields' places in it.
 *
 * @typedef {{ type: string, shape: number[], scale: number, zeroPoint: number }} Tensor
 * @typedef {{ input: Tensor, output: Tensor }} Tensors
 */

import { PageError } from "../errors.js";

const MODEL_SUBGRAPHS = 2;
const GRAPH = { tensors: 0, inputs: 1, outputs: 2 };
const TENSOR = { shape: 0, type: 1, quantization: 4 };
const QUANTIZATION = { scale: 2, zeroPoint: 3 };
const TYPES = ["float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8"];

/**
 * @param {Uint8Array} bytes
 * @param {string} name of the file, for messages.
 * @returns {Tensors}
 */
export function readTensors(bytes, name) {
  if (String.fromCharCode(...bytes.subarray(4, 8)) !== "TFL3") {
    throw new PageError(`${name}: is no TFLite model (its first bytes are not those of one): choose another file.`);
  }
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const [graph] = tables(view, follow(view, 0), MODEL_SUBGRAPHS);
    const all = tables(view, graph, GRAPH.tensors);
    const [inputs, outputs] = [GRAPH.inputs, GRAPH.outputs].map((field) => integers(view, graph, field));
    if (inputs.length !== 1 || outputs.length !== 1) {
      throw new PageError(
        `${name}: has ${inputs.length} inputs and ${outputs.length} outputs, one each was expected: choose a student.`,
      );
    }
    return { input: tensor(view, all[inputs[0]]), output: tensor(view, all[outputs[0]]) };
  } catch (error) {
    if (error instanceof PageError) throw error;
    throw new PageError(`${name}: is damaged or cut short: copy it again.`);
  }
}

/** @param {DataView} view @param {number} table @returns {Tensor} */
function tensor(view, table) {
  const type = field(view, table, TENSOR.type);
  const place = field(view, table, TENSOR.quantization);
  const quantization = place === null ? null : follow(view, place);
  const scale = quantization === null ? null : vector(view, quantization, QUANTIZATION.scale);
  const zeroPoint = quantization === null ? null : vector(view, quantization, QUANTIZATION.zeroPoint);
  return {
    type: TYPES[type === null ? 0 : view.getInt8(type)] ?? "unknown",
    shape: integers(view, table, TENSOR.shape),
    scale: scale?.length ? view.getFloat32(scale.start, true) : 1,
    zeroPoint: zeroPoint?.length ? Number(view.getBigInt64(zeroPoint.start, true)) : 0,
  };
}

/** Where an offset points to.
 * @param {DataView} view @param {number} place */
function follow(view, place) {
  return place + view.getUint32(place, true);
}

/** Where a table's field lies; null where the table leaves it out.
 * @param {DataView} view @param {number} table @param {number} index @returns {number | null} */
function field(view, table, index) {
  const layout = table - view.getInt32(table, true);
  const at = 4 + 2 * index;
  if (at >= view.getUint16(layout, true)) return null;
  const offset = view.getUint16(layout + at, true);
  return offset === 0 ? null : table + offset;
}

/** @param {DataView} view @param {number} table @param {number} index */
function vector(view, table, index) {
  const place = field(view, table, index);
  if (place === null) return { start: 0, length: 0 };
  const start = follow(view, place);
  return { start: start + 4, length: view.getUint32(start, true) };
}

/** @param {DataView} view @param {number} table @param {number} index @returns {number[]} */
function integers(view, table, index) {
  const { start, length } = vector(view, table, index);
  if (length * 4 > view.byteLength) throw new RangeError("longer than the file");
  return Array.from({ length }, (_, i) => view.getInt32(start + 4 * i, true));
}

/** @param {DataView} view @param {number} table @param {number} index @returns {number[]} */
function tables(view, table, index) {
  const { start, length } = vector(view, table, index);
  if (length * 4 > view.byteLength) throw new RangeError("longer than the file");
  return Array.from({ length }, (_, i) => follow(view, start + 4 * i));
}
