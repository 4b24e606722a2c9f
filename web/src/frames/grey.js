/**
 * Pixels as they come from files and decoders, as 8-bit grey: the rules of data/frames.py and data/video/container.py.
 *
 * @typedef {import("./area.js").Grey} Grey
 */

/**
 * Colour by the luma weights of ITU-R BT.601 in 256ths, so that grey stored as colour comes back unchanged.
 *
 * @param {{ data: Uint8ClampedArray | Uint8Array, width: number, height: number }} image RGBA; alpha is left out.
 * @returns {Grey}
 */
export function greyOfRgba({ data, width, height }) {
  const grey = new Uint8Array(width * height);
  for (let i = 0, from = 0; i < grey.length; i++, from += 4) {
    grey[i] = (77 * data[from] + 150 * data[from + 1] + 29 * data[from + 2]) >> 8;
  }
  return { data: grey, width, height };
}

/** Luma of video in the limited range, 16 to 235, as grey of 0 to 255: FFmpeg's conversion, entry by entry. */
const FULL_RANGE = Uint8Array.from({ length: 256 }, (_, luma) => {
  const wide = (Math.min(luma * 128, 30189) * 19077 - 39057361) >> 14;
  return Math.min(255, Math.max(0, (wide + 64) >> 7));
});

/**
 * The luma plane of a decoded video frame.
 *
 * @param {Uint8Array} bytes that hold the plane.
 * @param {{ offset: number, stride: number, width: number, height: number }} plane
 * @param {boolean} fullRange whether black is 0 and white 255 already.
 * @returns {Grey}
 */
export function greyOfLuma(bytes, { offset, stride, width, height }, fullRange) {
  const data = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const from = offset + y * stride;
    if (fullRange) data.set(bytes.subarray(from, from + width), y * width);
    else for (let x = 0; x < width; x++) data[to++] = FULL_RANGE[bytes[from + x]];
  }
  return { data, width, height };
}

/**
 * Upright as a player shows it.
 *
 * @param {Grey} image
 * @param {number} degrees clockwise: 0, 90, 180 or 270.
 * @param {boolean} flip mirrored left to right, after it was turned.
 * @returns {Grey}
 */
export function upright(image, degrees, flip = false) {
  if (degrees === 0 && !flip) return image;
  const turned = degrees === 90 || degrees === 270;
  const [width, height] = turned ? [image.height, image.width] : [image.width, image.height];
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const shown = flip ? width - 1 - x : x;
      const [fromX, fromY] = source(shown, y, degrees, image);
      data[y * width + x] = image.data[fromY * image.width + fromX];
    }
  }
  return { data, width, height };
}

/** @param {number} x @param {number} y @param {number} degrees @param {{ width: number, height: number }} image */
function source(x, y, degrees, { width, height }) {
  if (degrees === 90) return [y, height - 1 - x];
  if (degrees === 180) return [width - 1 - x, height - 1 - y];
  if (degrees === 270) return [width - 1 - y, x];
  return [x, y];
}
