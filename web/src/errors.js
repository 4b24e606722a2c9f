/** Something that the reader of the page can put right: the message says what was found and what to do. */
export class PageError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "PageError";
  }
}

/** What to show of any error.
 * @param {unknown} error @returns {string} */
export function wordsOf(error) {
  if (error instanceof PageError) return error.message;
  console.error(error);
  const words = error instanceof Error ? error.message : String(error);
  return `This should not have happened: ${words}. Reload the page; if it happens again, report it with the file's kind and size.`;
}
