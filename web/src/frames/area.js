/**
 * Resizing as the training data were resized: OpenCV's INTER_AREA on sides that shrink, byte for byte.
 *
 * OpenCV computes in single precision and in a certain order; `Math.fround` after every operation repeats that, so
 * that a frame has the same bytes in the page as in Python. The rule is `resize_frame` of data/frames.py.
 *
 * @typedef {{ data: Uint8Array<ArrayBuffer>, width: number, height: number }} Grey 8-bit grey image, row by row.
 * @typedef {{ data: Float32Array, width: number, height: number }} GreyFloat
 * @typedef {{ width: number, height: number }} Size pixels.
 * @typedef {{ first: Int32Array, source: Int32Array, weight: Float32Array }} Weights of one axis: new pixel i is the
 *     sum over k in first[i] .. first[i+1] - 1 of weight[k] · old pixel source[k].
 */

const round = Math.fround;

/**
 * Resize by area; a side that grows is interpolated linearly after the other one has shrunk.
 *
 * @param {Grey} image
 * @param {Size} size
 * @returns {Grey} `image` itself when it has that size.
 */
export function resize(image, { width, height }) {
  if (image.width === width && image.height === height) return image;
  const smaller = { width: Math.min(width, image.width), height: Math.min(height, image.height) };
  const shrunk = shrink(image, smaller);
  const grown = smaller.width === width && smaller.height === height ? shrunk : grow(shrunk, { width, height });
  return { data: toBytes(grown.data), width, height };
}

/** The mean of what each new pixel covers, before it is rounded to a byte.
 * @param {Grey} image @param {Size} size @returns {GreyFloat} */
function shrink(image, { width, height }) {
  const across = scaleOf(image.width, width);
  const down = scaleOf(image.height, height);
  if (isWhole(across) && isWhole(down)) return shrinkWhole(image, Math.round(across), Math.round(down));
  return shrinkWeighted(image, areaWeights(image.width, width), areaWeights(image.height, height), { width, height });
}

/** @param {number} before @param {number} after */
function scaleOf(before, after) {
  return 1 / (after / before); // not before / after: OpenCV divides twice, and the last bit differs
}

/** @param {number} scale */
function isWhole(scale) {
  return Math.abs(scale - Math.round(scale)) < Number.EPSILON;
}

/** Whole numbers of pixels become one: integers are summed, exactly.
 * @param {Grey} image @param {number} across @param {number} down @returns {GreyFloat} */
function shrinkWhole(image, across, down) {
  const width = image.width / across;
  const height = image.height / down;
  const data = new Float32Array(width * height);
  const share = round(1 / (across * down));
  // Of 2×2 pixels OpenCV rounds half a grey level up; elsewhere to the even one.
  const isHalf = across === 2 && down === 2;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to++) {
      let sum = 0;
      for (let dy = 0; dy < down; dy++) {
        const from = (y * down + dy) * image.width + x * across;
        for (let dx = 0; dx < across; dx++) sum += image.data[from + dx];
      }
      data[to] = isHalf ? (sum + 2) >> 2 : round(sum * share);
    }
  }
  return { data, width, height };
}

/** Rows first, then columns, each in OpenCV's order.
 * @param {Grey} image @param {Weights} columns @param {Weights} rows @param {Size} size @returns {GreyFloat} */
function shrinkWeighted(image, columns, rows, { width, height }) {
  const data = new Float32Array(width * height);
  const line = new Float32Array(width);
  for (let y = 0; y < height; y++) {
    const sum = data.subarray(y * width, (y + 1) * width);
    for (let k = rows.first[y]; k < rows.first[y + 1]; k++) {
      shrinkLine(image.data, rows.source[k] * image.width, columns, line);
      const weight = rows.weight[k];
      // Float32Array rounds what is stored; the product is rounded before it is added, as without fused operations.
      if (k === rows.first[y]) for (let x = 0; x < width; x++) sum[x] = weight * line[x];
      else for (let x = 0; x < width; x++) sum[x] += round(weight * line[x]);
    }
  }
  return { data, width, height };
}

/** @param {Uint8Array} bytes @param {number} start of the row @param {Weights} columns @param {Float32Array} line */
function shrinkLine(bytes, start, { first, source, weight }, line) {
  for (let x = 0; x < line.length; x++) {
    let sum = 0;
    for (let k = first[x]; k < first[x + 1]; k++) sum = round(sum + round(bytes[start + source[k]] * weight[k]));
    line[x] = sum;
  }
}

/** Weights of the sizes met last: a video asks for the same ones at every frame.
 * @type {Map<string, Weights>} */
const known = new Map();

/** @param {number} before @param {number} after @returns {Weights} */
function areaWeights(before, after) {
  const key = `${before}-${after}`;
  const found = known.get(key) ?? computeAreaWeights(before, after);
  if (known.size > 16) known.clear();
  known.set(key, found);
  return found;
}

/** @param {number} before @param {number} after @returns {Weights} */
function computeAreaWeights(before, after) {
  const scale = scaleOf(before, after);
  const first = new Int32Array(after + 1);
  /** @type {number[]} */
  const source = [];
  /** @type {number[]} */
  const weight = [];
  const tiny = 1e-3; // a sliver below this is left out
  for (let i = 0; i < after; i++) {
    first[i] = source.length;
    const start = i * scale;
    const end = start + scale;
    const covered = Math.min(scale, before - start);
    const last = Math.min(Math.floor(end), before - 1);
    const next = Math.min(Math.ceil(start), last);
    if (next - start > tiny) {
      source.push(next - 1);
      weight.push((next - start) / covered);
    }
    for (let pixel = next; pixel < last; pixel++) {
      source.push(pixel);
      weight.push(1 / covered);
    }
    if (end - last > tiny) {
      source.push(last);
      weight.push(Math.min(Math.min(end - last, 1), covered) / covered);
    }
  }
  first[after] = source.length;
  return { first, source: Int32Array.from(source), weight: Float32Array.from(weight) };
}

/** Linear interpolation between pixel centres, rows first, in single precision with fused multiply-add.
 * @param {GreyFloat} image @param {Size} size @returns {GreyFloat} */
function grow(image, { width, height }) {
  const columns = linearWeights(image.width, width);
  const rows = linearWeights(image.height, height);
  const lines = new Float32Array(image.height * width);
  for (let y = 0, from = 0; y < image.height; y++, from += image.width) {
    for (let x = 0; x < width; x++) {
      const [near, far] = [image.data[from + columns.near[x]], image.data[from + columns.far[x]]];
      lines[y * width + x] = between(near, far, columns.share[x]);
    }
  }
  const data = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const [near, far] = [rows.near[y] * width, rows.far[y] * width];
    for (let x = 0; x < width; x++) data[y * width + x] = between(lines[near + x], lines[far + x], rows.share[y]);
  }
  return { data, width, height };
}

/** The product is exact in double precision, so that the sum alone is rounded to single.
 * @param {number} near @param {number} far @param {number} share of the far one */
function between(near, far, share) {
  return near + round(far - near) * share;
}

/** @param {number} before @param {number} after */
function linearWeights(before, after) {
  const scale = scaleOf(before, after);
  const near = new Int32Array(after);
  const far = new Int32Array(after);
  const share = new Float32Array(after);
  for (let i = 0; i < after; i++) {
    const centre = (i + 0.5) * scale - 0.5;
    const at = Math.floor(centre);
    const isInside = at >= 0 && at < before - 1;
    near[i] = Math.min(Math.max(at, 0), before - 1);
    far[i] = isInside ? at + 1 : near[i];
    share[i] = isInside ? centre - at : 0;
  }
  return { near, far, share };
}

/** Rounded to the nearest byte, half a grey level to the even one.
 * @param {Float32Array} values @returns {Uint8Array<ArrayBuffer>} */
function toBytes(values) {
  // A clamped array rounds half to even when it is stored into: the rule of the language, and of OpenCV.
  return new Uint8Array(Uint8ClampedArray.from(values).buffer);
}
