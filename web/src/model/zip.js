/** Reads one text file out of a ZIP archive that is appended to other bytes, as TFLite files carry their labels. */

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const MOST_BYTES = 4 << 20;

/**
 * @param {Uint8Array} bytes
 * @param {string} wanted name of the entry.
 * @returns {Promise<string | null>} null where there is no archive or no such entry.
 */
export async function textFromZip(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  if (end === null) return null;
  const [count, size, offset] = [
    view.getUint16(end + 10, true),
    view.getUint32(end + 12, true),
    view.getUint32(end + 16, true),
  ];
  // Offsets count from the archive's first byte, or from the file's: what lies before the directory tells.
  const shift = end - size - offset;
  let place = end - size;
  for (let i = 0; i < count && view.getUint32(place, true) === ENTRY; i++) {
    const [nameBytes, extra, comment] = [28, 30, 32].map((at) => view.getUint16(place + at, true));
    const name = new TextDecoder().decode(bytes.subarray(place + 46, place + 46 + nameBytes));
    if (name === wanted) {
      const method = view.getUint16(place + 10, true);
      return contents(bytes, view, shift + view.getUint32(place + 42, true), view.getUint32(place + 20, true), method);
    }
    place += 46 + nameBytes + extra + comment;
  }
  return null;
}

/** @param {DataView} view @returns {number | null} */
function findEnd(view) {
  const first = Math.max(0, view.byteLength - END_BYTES - 0xffff);
  for (let place = view.byteLength - END_BYTES; place >= first; place--) {
    if (view.getUint32(place, true) === END) return place;
  }
  return null;
}

/** @param {Uint8Array} bytes @param {DataView} view @param {number} header @param {number} size @param {number} method */
async function contents(bytes, view, header, size, method) {
  if (size > MOST_BYTES) return null;
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const packed = bytes.slice(start, start + size);
  if (method === 0) return new TextDecoder().decode(packed);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}
