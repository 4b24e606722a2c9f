/** All frames on one strip: colour is the class, height the confidence; grey is rejected, the line below flagged. */

import { element, make } from "./page.js";
import { keyOf } from "./words.js";

/** @typedef {import("../answers/session.js").Row} Row */

const FLAG_PX = 8;

/** @param {Row[]} rows @param {number} chosen index of the row */
export function drawTimeline(rows, chosen) {
  const canvas = element("timeline");
  if (!(canvas instanceof HTMLCanvasElement) || !rows.length) return;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const [rejected, flagged] = [colour("--rejected"), colour("--flagged")];
  const classes = Array.from({ length: 8 }, (_, k) => colour(`--class-${k}`));
  const space = height - FLAG_PX * ratio;
  const columns = Math.min(rows.length, Math.floor(width));
  for (let column = 0; column < columns; column++) {
    const row = rows[Math.floor((column * rows.length) / columns)];
    const [left, right] = [column, column + 1].map((i) => Math.round((i * width) / columns));
    const tall = Math.max(0.06, row.confidence) * space;
    context.fillStyle = row.rejected ? rejected : classes[row.smoothedClass % 8];
    context.fillRect(left, space - tall, right - left, tall);
    if (row.flag) {
      context.fillStyle = flagged;
      context.fillRect(left, height - FLAG_PX * ratio, right - left, FLAG_PX * ratio);
    }
  }
  context.fillStyle = colour("--ink");
  context.fillRect(Math.min(width - 2 * ratio, ((chosen + 0.5) / rows.length) * width - ratio), 0, 2 * ratio, height);
}

/** @param {string[]} classes */
export function drawLegend(classes) {
  const keys = classes.map((name, k) => [keyOf(k), name]);
  const all = [...keys, ["key-rejected", "rejected"], ["key-flagged", "flagged"]];
  element("legend").replaceChildren(
    ...all.map(([key, name]) => make("li", {}, make("span", { class: `key ${key}` }), name)),
  );
}
