/** Files that were dropped or chosen: which are models, which give frames, and which are neither. */

import { PageError } from "../errors.js";
import { isImage, openImage } from "./image.js";
import { openVideo } from "./video.js";

/** @typedef {import("./source.js").Source} Source */

const HEAD_BYTES = 256;

/** @param {File} file */
export function isModelFile(file) {
  return /\.(tflite|json)$/i.test(file.name);
}

/** Files that lie next to scans without being any.
 * @param {File} file */
export function isScan(file) {
  return (
    !file.name.startsWith(".") &&
    !/\.(txt|csv|md|h|cc|py|onnx|pdf|ini|db)$/i.test(file.name) &&
    file.name !== "SHA256SUMS"
  );
}

/** The bytes of a file, or of a part of it.
 * @param {File} file @param {Blob} part @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function bytesOf(file, part = file) {
  try {
    return new Uint8Array(await part.arrayBuffer());
  } catch (error) {
    console.warn(error);
    throw new PageError(
      `${file.name}: can't be read: it was moved or changed since it was chosen, or the browser may not read it: choose it again.`,
    );
  }
}

/**
 * @param {File} file
 * @returns {Promise<Source>}
 */
export async function openSource(file) {
  if (file.size === 0) throw new PageError(`${file.name}: is empty: copy it again.`);
  const head = await bytesOf(file, file.slice(0, HEAD_BYTES));
  if (isImage(head)) return openImage(file, head);
  const text = String.fromCharCode(...head);
  if (text.slice(128, 132) === "DICM") {
    throw new PageError(
      `${file.name}: is DICOM, which browsers don't read: use predict.py, or export it as MP4 or PNG.`,
    );
  }
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) {
    throw new PageError(`${file.name}: is TIFF, which browsers don't read: use predict.py, or export it as PNG.`);
  }
  const video = await openVideo(file);
  if (video) return video;
  throw new PageError(
    `${file.name}: is neither an image (PNG, JPEG, BMP, GIF, WebP) nor a video that this page reads (MP4, MOV, MKV, ` +
      "WebM, MPEG-TS): choose another file, or convert it; predict.py reads more formats.",
  );
}
