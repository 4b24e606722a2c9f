/**
 * From an image to the frame that a model takes: the rule of `prepare_image` in data/video/framing.py.
 *
 * @typedef {import("./area.js").Grey} Grey
 * @typedef {{ height: number, width: number, fit: "pad" | "stretch" }} Rule what a model's metadata says.
 * @typedef {{ x: number, y: number, width: number, height: number }} Box pixels.
 */

import { resize } from "./area.js";

/**
 * Crop, keep the ratio of width to height on black ("pad") or not ("stretch"), resize by area.
 *
 * @param {Grey} image
 * @param {Rule} rule
 * @param {Box | null} crop part of the image that is shown, inside it; null is all of it.
 * @returns {Grey} of rule.width × rule.height pixels.
 */
export function prepare(image, rule, crop = null) {
  const part = crop ? cut(image, crop) : image;
  const inner = place(part, rule);
  const resized = resize(part, inner);
  if (inner.width === rule.width && inner.height === rule.height) return resized;
  const data = new Uint8Array(rule.width * rule.height);
  for (let y = 0; y < inner.height; y++) {
    const row = resized.data.subarray(y * inner.width, (y + 1) * inner.width);
    data.set(row, (inner.y + y) * rule.width + inner.x);
  }
  return { data, width: rule.width, height: rule.height };
}

/** Where the image lies in the frame.
 * @param {{ width: number, height: number }} image @param {Rule} rule @returns {Box} */
export function place(image, { width, height, fit }) {
  if (fit === "stretch") return { x: 0, y: 0, width, height };
  const isWide = image.width * height >= image.height * width;
  const inner = isWide
    ? { width, height: rounded((image.height * width) / image.width, height) }
    : { width: rounded((image.width * height) / image.height, width), height };
  return { x: (width - inner.width) >> 1, y: (height - inner.height) >> 1, ...inner };
}

/** @param {number} value @param {number} most */
function rounded(value, most) {
  return Math.min(most, Math.max(1, Math.floor(value + 0.5)));
}

/** @param {Grey} image @param {Box} box @returns {Grey} */
function cut(image, { x, y, width, height }) {
  const data = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = (y + row) * image.width + x;
    data.set(image.data.subarray(from, from + width), row * width);
  }
  return { data, width, height };
}
