/**
 * A model as the page knows it, from the files of a bundle (export.py), from the .tflite of one alone, or from an
 * artefact of a run with the .json of the same name.
 *
 * @typedef {{ name: string, bytes: Uint8Array<ArrayBuffer> }} NamedBytes
 * @typedef {{ time_constant_s: number, threshold: number, accuracy?: number, coverage?: number }} Point
 * @typedef {{ still: Point, causal: Point, two_sided: Point, target: number }} Decision
 * @typedef {import("../answers/ood.js").Ood} Ood
 * @typedef {{ frame: { x: number, y: number, plus: number }, output: number[] }} SelfTest
 *
 * @typedef {Object} Model
 * @property {string} name
 * @property {string} file
 * @property {Uint8Array<ArrayBuffer>} bytes
 * @property {string} sha256 hex; "" where the browser withholds its digest.
 * @property {import("./tflite.js").Tensors} tensors
 * @property {string[]} classes in the order of the outputs.
 * @property {import("../frames/prepare.js").Rule} rule how a frame is made of an image.
 * @property {"probabilities" | "logits"} output
 * @property {Decision | null} decision
 * @property {Ood | null} ood
 * @property {boolean | null} simulated whether it was trained on simulated data; null where nobody says.
 * @property {string} version
 * @property {SelfTest[]} selfTest
 */

import { PageError } from "../errors.js";
import { checkFields, fieldsOfArtefact, fieldsOfBundle } from "./fields.js";
import { readTensors } from "./tflite.js";
import { textFromZip } from "./zip.js";

const BUNDLE = "bundle.json";
const INSIDE = "student.json";

/**
 * @param {NamedBytes[]} files of one folder, or chosen together.
 * @returns {Promise<Model>}
 */
export async function readModel(files) {
  const model = chooseModel(files);
  const tensors = readTensors(model.bytes, model.name);
  const fields = await describe(model, files);
  checkFields(fields, tensors, model.name);
  const sha256 = await digest(model.bytes);
  if (fields.sha256 && sha256 && fields.sha256 !== sha256) {
    throw new PageError(`${model.name}: its SHA-256 is not the one in its description: copy both files again.`);
  }
  return { ...fields, file: model.name, bytes: model.bytes, tensors, sha256 };
}

/** The student among the files: the one that takes grey frames.
 * @param {NamedBytes[]} files */
function chooseModel(files) {
  const models = files.filter(({ name }) => name.toLowerCase().endsWith(".tflite"));
  if (!models.length) {
    const names = files
      .map(({ name }) => name)
      .slice(0, 3)
      .join(", ");
    throw new PageError(
      `${names}: no .tflite file is among what was chosen: choose the folder that export.py wrote, or its .tflite file.`,
    );
  }
  const grey = models.filter(({ name, bytes }) => readTensors(bytes, name).input.shape[3] === 1);
  if (!grey.length)
    throw new PageError(`${models[0].name}: takes colour images: choose the .tflite that takes grey frames.`);
  if (grey.length > 1) {
    throw new PageError(`${grey.map(({ name }) => name).join(", ")}: several models were chosen: choose one.`);
  }
  return grey[0];
}

/** @param {NamedBytes} model @param {NamedBytes[]} files */
async function describe(model, files) {
  const text = (/** @type {string} */ wanted) => {
    const found = files.find(({ name }) => name === wanted);
    return found ? new TextDecoder().decode(found.bytes) : null;
  };
  const bundle = text(BUNDLE);
  if (bundle !== null) return fieldsOfBundle(parse(bundle, BUNDLE), model.name, BUNDLE);
  const artefact = text(`${model.name}.json`);
  if (artefact !== null) return fieldsOfArtefact(parse(artefact, `${model.name}.json`), `${model.name}.json`);
  const inside = await textFromZip(model.bytes, INSIDE);
  if (inside !== null)
    return fieldsOfBundle(parse(inside, model.name), model.name, `${model.name}, ${INSIDE} inside it`);
  throw new PageError(
    `${model.name}: does not say which classes it knows: choose it together with ${model.name}.json, or a file that ` +
      "export.py wrote.",
  );
}

/** @param {string} text @param {string} name @returns {any} */
function parse(text, name) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new PageError(`${name}: is no JSON: copy it again.`);
  }
  if (typeof found !== "object" || found === null) throw new PageError(`${name}: holds no fields: copy it again.`);
  return found;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function digest(bytes) {
  if (!crypto.subtle) return ""; // withheld from pages of plain http
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
