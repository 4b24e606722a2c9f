/** The model that is loaded, in words. */

import { element, make } from "./page.js";

/** @typedef {import("../model/bundle.js").Model} Model */

/** @param {Model} model @param {number} tested frames of the bundle's own test, all answered as in Python */
export function drawModel(model, tested) {
  const { decision, rule } = model;
  /** @type {[string, string][]} */
  const facts = [
    ["Classes", model.classes.join(", ")],
    [
      "Frames",
      `${rule.width}×${rule.height} pixels, ${rule.fit === "pad" ? "ratio kept, on black" : "stretched to fit"}`,
    ],
    [
      "File",
      `${model.file}, ${model.bytes.length.toLocaleString("en")} bytes, SHA-256 ${model.sha256.slice(0, 16) || "not computed"}…`,
    ],
    ["Version", model.version],
    ["Answers", decision ? answersOf(decision) : "every frame: the model brings no threshold"],
    ["Unlike training", model.ood ? "flagged, and not answered" : "not checked: the model brings no rule for it"],
  ];
  if (model.simulated) facts.push(["Trained on", "simulated images: it says nothing about patients"]);
  if (tested) facts.push(["Check", `${tested} of ${tested} test frames answered with the same bytes as in Python`]);
  element("model-facts").replaceChildren(
    ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
}

/** @param {import("../model/bundle.js").Decision} decision */
function answersOf({ still, two_sided: file, causal, target }) {
  return (
    `where the confidence reaches ${still.threshold.toFixed(2)} (images), ${file.threshold.toFixed(2)} (videos, smoothed over ` +
    `${file.time_constant_s} s), ${causal.threshold.toFixed(2)} (camera, ${causal.time_constant_s} s): fitted to an accuracy of ${target} on validation images`
  );
}
