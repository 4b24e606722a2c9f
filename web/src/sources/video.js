/** Every frame of a video file, in order, by the browser's own decoder and with the file's own times. */

import { BlobSource, Input, MATROSKA, MP4, MPEG_TS, QTFF, VideoSampleSink, WEBM } from "mediabunny";
import { PageError } from "../errors.js";
import { greyOfSample } from "./sample.js";

/** @typedef {import("./source.js").Source} Source */

const FORMATS = [MP4, QTFF, MATROSKA, WEBM, MPEG_TS];
const CONVERT =
  "convert it (ffmpeg -i FILE -c:v libx264 -crf 8 -pix_fmt yuv420p OUT.mp4), or use predict.py, which reads more formats";

/**
 * @param {File} file
 * @returns {Promise<Source | null>} null for a file of another format.
 */
export async function openVideo(file) {
  const input = new Input({ source: new BlobSource(file), formats: FORMATS });
  if (!(await input.canRead().catch(() => false))) return null;
  if (typeof VideoDecoder === "undefined") throw new PageError(`${file.name}: ${noDecoder()}`);
  const track = await input.getPrimaryVideoTrack().catch((error) => damaged(file.name, error));
  if (!track) throw new PageError(`${file.name}: holds no video track: choose another file.`);
  if (!(await track.canDecode())) {
    const codec = (await track.getCodecParameterString()) ?? (await track.getCodec()) ?? "a codec it does not know";
    throw new PageError(`${file.name}: this browser can't decode its video (${codec}): ${CONVERT}.`);
  }
  const sink = new VideoSampleSink(track, { hardwareAcceleration: "prefer-software" });
  const notes = new Set();
  const firstS = await track.getFirstTimestamp();
  return {
    name: file.name,
    kind: "two_sided",
    notes,
    durationS: await input.getDurationFromMetadata().catch(() => null),
    async *pictures() {
      let index = 0;
      try {
        for await (const sample of sink.samples()) {
          const timeS = sample.timestamp - firstS;
          yield { index: index++, timeS, image: await greyOfSample(sample, notes) };
        }
      } catch (error) {
        damaged(file.name, error, index);
      }
      if (index === 0) throw new PageError(`${file.name}: holds no frame: export it again.`);
    },
    async picture(_, timeS) {
      // A microsecond later: times are rounded, and the frame is the last one that has begun.
      const sample = await sink.getSample(firstS + timeS + 1e-6);
      return sample && greyOfSample(sample, notes);
    },
    close: () => input.dispose(),
  };
}

/** @param {string} name @param {unknown} error @param {number} [index] @returns {never} */
function damaged(name, error, index) {
  if (error instanceof PageError) throw error;
  const where = index === undefined ? "" : ` after ${index} frames`;
  const words = error instanceof Error ? error.message : String(error);
  throw new PageError(
    `${name}: can't be decoded${where} (${words}): it is damaged or cut short, copy or export it again.`,
  );
}

function noDecoder() {
  return isSecureContext
    ? "this browser has no video decoder for pages (WebCodecs): use a current Chrome, Edge, Safari or Firefox."
    : "browsers decode video for pages from https, localhost or the disk alone: open this page in one of these ways.";
}
