/** One image file, as it shows: upright, without the browser's colour management. */

import { PageError } from "../errors.js";
import { greyOfRgba } from "../frames/grey.js";

/** @typedef {import("./source.js").Source} Source */

const MOST_PIXELS = 50_000_000;

/** @param {Uint8Array} head first bytes of a file */
export function isImage(head) {
  const text = String.fromCharCode(...head.subarray(0, 12));
  return (
    text.startsWith("\x89PNG") ||
    text.startsWith("\xff\xd8\xff") ||
    text.startsWith("BM") ||
    text.startsWith("GIF8") ||
    (text.startsWith("RIFF") && text.endsWith("WEBP"))
  );
}

/** @param {File} file @param {Uint8Array} head @returns {Source} */
export function openImage(file, head) {
  if (String.fromCharCode(...head.subarray(1, 4)) === "PNG" && head[24] === 16) {
    throw new PageError(
      `${file.name}: has 16 bits a pixel, of which browsers keep 8: use predict.py, or export it with 8 bits.`,
    );
  }
  const picture = () => decode(file);
  return {
    name: file.name,
    kind: "still",
    notes: new Set(),
    durationS: 0,
    async *pictures() {
      yield { index: 0, timeS: 0, image: await picture() };
    },
    picture,
    close: () => {},
  };
}

/** @param {File} file */
async function decode(file) {
  const options = /** @type {ImageBitmapOptions} */ ({ premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new PageError(`${file.name}: can't be read as an image: it is damaged or cut short, export it again.`);
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS)
    throw new PageError(`${file.name}: has ${width}×${height} pixels: export it smaller.`);
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return greyOfRgba(context.getImageData(0, 0, width, height));
}
