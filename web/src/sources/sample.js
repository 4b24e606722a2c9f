/** A decoded video frame as upright 8-bit grey with square pixels: luma as the decoder gives it, where it does. */

import { greyOfLuma, greyOfRgba, upright } from "../frames/grey.js";
import { resize } from "../frames/area.js";

/** @typedef {import("../frames/area.js").Grey} Grey */

const LUMA_FIRST = ["I420", "I420A", "I422", "I422A", "I444", "I444A", "NV12"];
export const CONVERTED =
  "The browser converted colours or sizes of this video by itself: bytes may differ from Python's by some grey levels.";

/**
 * @param {import("mediabunny").VideoSample} sample It is closed.
 * @param {Set<string>} notes
 * @returns {Promise<Grey>}
 */
export async function greyOfSample(sample, notes) {
  const frame = sample.toVideoFrame();
  try {
    const image = upright(squared(await greyOfFrame(frame, notes), sample, notes), sample.rotation, sample.flip);
    return image;
  } finally {
    frame.close();
    sample.close();
  }
}

/**
 * @param {VideoFrame} frame
 * @param {Set<string>} notes
 * @returns {Promise<Grey>}
 */
export async function greyOfFrame(frame, notes) {
  const { width, height } = /** @type {DOMRectReadOnly} */ (frame.visibleRect);
  if (frame.format && LUMA_FIRST.includes(frame.format)) {
    const bytes = new Uint8Array(frame.allocationSize());
    const [{ offset, stride }] = await frame.copyTo(bytes);
    return greyOfLuma(bytes, { offset, stride, width, height }, frame.colorSpace.fullRange ?? false);
  }
  notes.add(CONVERTED);
  const data = new Uint8Array(width * height * 4);
  await frame.copyTo(data, { format: "RGBA" });
  return greyOfRgba({ data, width, height });
}

/** @param {Grey} image @param {import("mediabunny").VideoSample} sample @param {Set<string>} notes */
function squared(image, sample, notes) {
  const { num, den } = sample.pixelAspectRatio;
  if (num === den) return image;
  notes.add(CONVERTED);
  return resize(image, { width: Math.max(1, Math.round((image.width * num) / den)), height: image.height });
}
