/** The settings' form. */

import { PageError } from "../errors.js";
import { element } from "./page.js";

/** @returns {import("../answers/session.js").Settings} */
export function readSettings() {
  const form = /** @type {HTMLFormElement} */ (element("settings"));
  const wrong = /** @type {HTMLInputElement | null} */ (form.querySelector("input:invalid"));
  if (wrong) throw new PageError(`Settings: ${wrong.parentElement?.textContent?.trim()}: ${wrong.validationMessage}`);
  const value = (/** @type {string} */ name) => {
    const text = /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value;
    return text === "" ? null : Number(text);
  };
  const [x, y, width, height] = ["x", "y", "width", "height"].map(value);
  const crop = [x, y, width, height];
  if (crop.every((side) => side === null))
    return { threshold: value("threshold"), smoothingS: value("smoothing"), crop: null };
  if (x === null || y === null || width === null || height === null) {
    throw new PageError("Settings: the crop needs left, top, width and height: fill in all four, or none.");
  }
  return { threshold: value("threshold"), smoothingS: value("smoothing"), crop: { x, y, width, height } };
}
