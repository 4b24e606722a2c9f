/**
 * Stands in for `@litertjs/wasm-utils`, which fetches the engine from a server.
 *
 * Here the engine's bytes come out of a script of this folder, so that the page also runs from a disk, where browsers
 * refuse to fetch, and needs no permission to connect to anything.
 */

import { engineBytes } from "./bytes.js";

/**
 * @template T
 * @param {new (module: any, canvas: null) => T} Library
 * @returns {Promise<T>}
 */
export async function createWasmLib(Library) {
  const wasmBinary = await engineBytes();
  const module = await /** @type {any} */ (self).ModuleFactory({ wasmBinary, printErr: () => {} });
  return new Library(module, null);
}
