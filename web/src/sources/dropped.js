/** The files of what was dropped, folders opened, in the order of their names. */

/** @typedef {{ kind: "file", name: string, getFile: () => Promise<File> }} FileHandle */
/** @typedef {{ kind: "directory", name: string, values: () => AsyncIterable<FileHandle | FolderHandle> }} FolderHandle */

/** @param {DataTransfer} transfer @returns {Promise<File[]>} */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  // Items are only there until the event is over: all are asked for before the first is awaited.
  if (items.length && "getAsFileSystemHandle" in items[0]) {
    const handles = await Promise.all(items.map((item) => /** @type {any} */ (item).getAsFileSystemHandle()));
    return (await Promise.all(handles.map(filesOfHandle))).flat();
  }
  const entries = items.flatMap((item) => item.webkitGetAsEntry() ?? []);
  return (await Promise.all(entries.map(filesOfEntry))).flat();
}

/** Of browsers that have it, because a page from the disk can't open folders in the other way there.
 * @param {FileHandle | FolderHandle} handle @returns {Promise<File[]>} */
async function filesOfHandle(handle) {
  if (handle.kind === "file") return [await handle.getFile()];
  const inside = [];
  for await (const one of handle.values()) inside.push(one);
  return (await Promise.all(inside.sort(byName).map(filesOfHandle))).flat();
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesOfEntry(entry) {
  if (entry.isFile) {
    return [await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject))];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const inside = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.sort(byName).map(filesOfEntry))).flat();
}

/** @param {{ name: string }} a @param {{ name: string }} b */
function byName(a, b) {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}
