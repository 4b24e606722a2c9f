/** Grey images on a canvas. */

/** @param {HTMLCanvasElement} canvas @param {import("../frames/area.js").Grey} image */
export function draw(canvas, { data, width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(width, height);
  for (let i = 0, to = 0; i < data.length; i++, to += 4) {
    pixels.data[to] = pixels.data[to + 1] = pixels.data[to + 2] = data[i];
    pixels.data[to + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
