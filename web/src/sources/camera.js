/** A camera's frames, the newest first: while one is answered, others pass and are counted. */

import { PageError } from "../errors.js";
import { greyOfFrame } from "./sample.js";

/** @typedef {import("./source.js").Source} Source */

/** @type {Record<string, string>} */
const REASONS = {
  NotFoundError: "no camera was found: connect one, and reload the page.",
  NotAllowedError: "the browser does not allow it: allow the camera for this page in the address bar or the settings.",
  NotReadableError: "it is busy or switched off: close the program that uses it, and try again.",
  AbortError: "it could not be started: connect it again, and try again.",
};

/**
 * @param {string} deviceId "" is the browser's choice, on a phone the camera on the back.
 * @returns {Promise<Source & { passed: () => number }>}
 */
export async function openCamera(deviceId = "") {
  if (!navigator.mediaDevices) {
    throw new PageError(
      "Camera: browsers give it to pages from https, localhost or the disk alone: open this page in one of these ways.",
    );
  }
  const choice = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
  const stream = await navigator.mediaDevices.getUserMedia({ video: choice, audio: false }).catch((error) => {
    throw new PageError(`Camera: ${REASONS[error.name] ?? `the browser reports ${error.name}: ${error.message}.`}`);
  });
  const [track] = stream.getVideoTracks();
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  const notes = new Set();
  let passed = 0;
  let ended = false;
  const close = () => {
    ended = true;
    track.stop();
  };
  return {
    name: track.label || "camera",
    kind: "causal",
    notes,
    durationS: null,
    passed: () => passed,
    async *pictures() {
      let [startS, last] = [-1, 0];
      for (let index = 0; !ended; index++) {
        const shown = await nextFrame(video, track);
        if (!shown || ended) break;
        if (startS < 0) startS = shown.timeS;
        else passed += Math.max(0, shown.count - last - 1);
        last = shown.count;
        const frame = new VideoFrame(video, { timestamp: 0 });
        const image = await greyOfFrame(frame, notes).finally(() => frame.close());
        yield { index, timeS: shown.timeS - startS, image };
      }
      if (!ended)
        throw new PageError(
          `Camera: ${track.label || "it"} was disconnected or taken by another program: connect it again.`,
        );
    },
    picture: async () => null,
    close,
  };
}

/** @param {HTMLVideoElement} video @param {MediaStreamTrack} track
 * @returns {Promise<{ timeS: number, count: number } | null>} null where the camera has gone. */
function nextFrame(video, track) {
  return new Promise((resolve) => {
    if (track.readyState === "ended") return resolve(null);
    track.addEventListener("ended", () => resolve(null), { once: true });
    const check = setInterval(() => track.readyState === "ended" && finish(null), 200);
    const finish = (/** @type {{ timeS: number, count: number } | null} */ found) => {
      clearInterval(check);
      resolve(found);
    };
    video.requestVideoFrameCallback((now, { presentedFrames }) =>
      finish({ timeS: now / 1000, count: presentedFrames }),
    );
  });
}
