/**
 * The bundle's own test: frames by formula and the bytes that Python answered.
 *
 * @typedef {import("./bundle.js").Model} Model
 */

/**
 * @param {Model} model
 * @param {import("../engine/engine.js").Runner} runner
 * @returns {Promise<{ equal: number, all: number }>}
 */
export async function selfTest({ selfTest: cases, rule, tensors }, runner) {
  const { scale, zeroPoint } = tensors.output;
  let equal = 0;
  for (const { frame, output } of cases) {
    const values = await runner.run(ramp(frame, rule));
    if (output.every((byte, k) => (byte - zeroPoint) * scale === values[k])) equal += 1;
  }
  return { equal, all: cases.length };
}

/** pixel(y, x) = (x·column + y·row + plus) mod 256.
 * @param {{ x: number, y: number, plus: number }} formula @param {{ width: number, height: number }} size */
function ramp({ x, y, plus }, { width, height }) {
  return Uint8Array.from(
    { length: width * height },
    (_, i) => (x * (i % width) + y * Math.floor(i / width) + plus) % 256,
  );
}
