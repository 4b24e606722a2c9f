/**
 * What a model's description says, in one form for bundle.json and for the .json of an artefact; and whether it can
 * be true of the file.
 *
 * @typedef {Omit<import("./bundle.js").Model, "file" | "bytes" | "tensors" | "sha256"> & { sha256: string }} Fields
 */

import { PageError } from "../errors.js";

const FORMAT = "gaze-bundle-1";
const KINDS = /** @type {const} */ (["still", "causal", "two_sided"]);

/** @param {any} json @param {string} file the model's @param {string} source for messages @returns {Fields} */
export function fieldsOfBundle(json, file, source) {
  if (json.format !== FORMAT) {
    throw new PageError(
      `${source}: its format is ${JSON.stringify(json.format)}, this page reads ${FORMAT}: export the bundle again.`,
    );
  }
  const [, height, width] = json.input?.shape ?? [];
  return {
    name: json.name,
    classes: json.classes,
    rule: { height, width, fit: json.preparation?.fit },
    ...described(json, json.preparation?.fan),
    output: json.output?.is,
    simulated: json.simulated ?? null,
    selfTest: json.self_test ?? [],
    sha256: json.files?.[file]?.sha256 ?? "",
  };
}

/** @param {any} json @param {string} source for messages @returns {Fields} */
export function fieldsOfArtefact(json, source) {
  const [height, width] = json.frame_size ?? [];
  if ((json.inputs ?? ["frame"]).join() !== "frame") {
    throw new PageError(`${source}: the model takes gaze as well, which a page does not have: choose a student.`);
  }
  return {
    name: json.name,
    classes: json.classes,
    rule: { height, width, fit: json.fit },
    ...described(json, json.fan),
    output: json.output,
    simulated: null,
    selfTest: [],
    sha256: json.sha256 ?? "",
  };
}

/** @param {any} json @param {string | undefined} fan */
function described(json, fan) {
  if (fan === undefined) {
    throw new PageError(`${json.name}: its description does not say what was done outside the fan: export it again.`);
  }
  if (fan !== "keep") {
    throw new PageError(
      `${json.name}: was trained on frames that are black outside the ultrasound fan, and this page does not look for ` +
        "the fan: use predict.py, or a model of frames as they are.",
    );
  }
  return { decision: json.decision ?? null, ood: json.ood ?? null, version: String(json.version ?? "") };
}

/** @param {Fields} fields @param {import("./tflite.js").Tensors} tensors @param {string} file */
export function checkFields(fields, { input, output }, file) {
  const fail = (/** @type {string} */ what) => {
    throw new PageError(`${file}: ${what}: the model and its description do not belong together, export them again.`);
  };
  const { classes, rule } = fields;
  if (!Array.isArray(classes) || classes.length < 2 || classes.some((name) => typeof name !== "string")) {
    fail("its description names no classes");
  }
  if (!["probabilities", "logits"].includes(fields.output)) fail("its description says of no probabilities or logits");
  if (!["pad", "stretch"].includes(rule.fit)) fail(`fit is ${rule.fit ?? "missing"}, pad or stretch was expected`);
  if (!/^[0-9a-f]{64}$/.test(fields.sha256)) fail("its description holds no SHA-256 of the model");
  if (new Set(classes).size < classes.length) fail("its description names a class twice");
  for (const kind of fields.decision ? KINDS : []) {
    const { threshold, time_constant_s: tau } = fields.decision?.[kind] ?? {};
    if (!(threshold >= 0 && threshold <= 1)) fail(`threshold is ${threshold ?? "missing"}, from 0 to 1 was expected`);
    if (!(tau >= 0 && tau <= 3600)) fail(`time_constant_s is ${tau ?? "missing"}, from 0 to 3600 was expected`);
  }
  const expected = `1,${rule.height},${rule.width},1`;
  if (input.shape.join() !== expected)
    fail(`it takes ${input.shape.join("×")}, its description says ${expected.replaceAll(",", "×")}`);
  if (output.shape.join() !== `1,${classes.length}`)
    fail(`it gives ${output.shape.join("×")} numbers for ${classes.length} classes`);
  if (!["uint8", "float32"].includes(input.type)) fail(`it takes ${input.type}, 8-bit or float frames were expected`);
  if (!["uint8", "float32"].includes(output.type))
    fail(`it gives ${output.type}, 8-bit or float answers were expected`);
}
