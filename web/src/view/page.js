/** Elements of index.html, and what every part of the page does with them. */

import { wordsOf } from "../errors.js";

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function element(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(string | Node)} children
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} id of a table @param {string[]} names of its columns @param {HTMLElement[]} lines */
export function fillTable(id, names, lines) {
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  element(id).replaceChildren(make("thead", {}, head), make("tbody", {}, ...lines));
}

/** @param {(string | Node)[]} cells @param {Record<string, string>} attributes */
export function line(cells, attributes = {}) {
  return make("tr", attributes, ...cells.map((cell) => make("td", {}, cell)));
}

/** Messages of one action: the next action takes them away.
 * @type {string[]} */
let messages = [];

/** @param {unknown} error */
export function showError(error) {
  messages.push(wordsOf(error));
  showMessages();
}

export function clearErrors() {
  messages = [];
  showMessages();
}

function showMessages() {
  const shown = messages.slice(0, 5);
  if (messages.length > shown.length) shown.push(`… and ${messages.length - shown.length} more.`);
  const alert = element("alert");
  alert.textContent = shown.join("\n");
  alert.hidden = !messages.length;
  if (messages.length) alert.scrollIntoView({ block: "nearest" });
}

/** @param {string} words */
export function showStatus(words) {
  element("status").textContent = words;
}

/** Offer bytes as a file of that name.
 * @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Let the page draw and take clicks. */
export function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}
