/** The page: what its buttons do, and what follows what. */

import { AnswersView } from "./answers_view.js";
import { Session } from "./answers/session.js";
import { checkOod } from "./answers/ood.js";
import { compile, startEngine } from "./engine/engine.js";
import { PageError } from "./errors.js";
import { readModel } from "./model/bundle.js";
import { builtIn, readBuiltIn } from "./model/library.js";
import { selfTest } from "./model/self_test.js";
import { openCamera } from "./sources/camera.js";
import { droppedFiles } from "./sources/dropped.js";
import { bytesOf, isModelFile, isScan, openSource } from "./sources/open.js";
import { drawModel } from "./view/model.js";
import { breathe, clearErrors, element, make, showError, showStatus } from "./view/page.js";
import { readSettings } from "./view/settings.js";
import { inWords } from "./view/summary.js";

/** @typedef {import("./model/bundle.js").Model} Model */
/** @typedef {import("./engine/engine.js").Runner} Runner */
/** @typedef {import("./sources/source.js").Source} Source */

const DRAW_EVERY_MS = 120;

/** @type {{ model: Model, runner: Runner } | null} */
let loaded = null;
/** @type {AbortController | null} */
let running = null;
/** @type {Source[]} */
let open = [];
const view = new AnswersView();
const models = /** @type {HTMLSelectElement} */ (element("model"));

/** Every action of a user: earlier messages go, and what goes wrong is shown.
 * @param {() => Promise<void>} action */
async function act(action) {
  clearErrors();
  try {
    await action();
  } catch (error) {
    showError(error);
    showStatus("");
  }
}

/** @param {() => Promise<Model>} read @param {string} label of the choice */
async function load(read, label) {
  await stop();
  showStatus(`Loading ${label}…`);
  const model = await read();
  checkOod(model.ood, model.file);
  const runner = await compile(model.bytes, model.tensors, model.file);
  const tested = await selfTest(model, runner);
  if (tested.equal < tested.all) {
    runner.close();
    const wrong = `${tested.all - tested.equal} of ${tested.all} test frames`;
    throw new PageError(
      `${model.file}: this browser answers ${wrong} with other bytes than Python: the test is another model's, or the ` +
        "browser computes wrongly. Export the bundle again, or use another browser.",
    );
  }
  loaded?.runner.close();
  loaded = { model, runner };
  drawModel(model, tested.all);
  showStatus(`The model ${model.name} is ready: open a video, images, a folder, or a camera.`);
}

/** @type {import("./model/bundle.js").NamedBytes[]} */
let opened = [];

/** @param {File[]} files of a model */
async function loadFiles(files) {
  const named = async (/** @type {File} */ file) => ({
    name: file.name,
    bytes: await bytesOf(file),
  });
  const read = await Promise.all(files.map(named));
  await load(() => readModel(read), files.map(({ name }) => name).join(", "));
  opened = read;
  models.querySelector("[value=file]")?.remove();
  models.append(make("option", { value: "file" }, `${loaded?.model.name} (${loaded?.model.file})`));
  models.value = "file";
  models.disabled = false;
}

async function loadChosen() {
  const { value } = models;
  if (value === "file") await load(() => readModel(opened), "the model");
  else if (value) await load(() => readBuiltIn(builtIn()[Number(value)]), "the model");
}

/** @param {File[]} files */
async function openFiles(files) {
  const modelFiles = files.filter(isModelFile);
  if (modelFiles.some(({ name }) => name.endsWith(".tflite"))) await loadFiles(modelFiles);
  const scans = files.filter((file) => !isModelFile(file) && isScan(file));
  if (scans.length) await answer(scans.map((file) => () => openSource(file)));
  else if (!modelFiles.length && files.length)
    throw new PageError(`${files[0].name}: no video and no image is among what was opened.`);
  else if (modelFiles.length && !modelFiles.some(({ name }) => name.endsWith(".tflite"))) await loadFiles(modelFiles);
}

/** @param {(() => Promise<Source>)[]} openers */
async function answer(openers) {
  if (!loaded) throw new PageError("No model is loaded: choose one first.");
  const settings = readSettings();
  await stop();
  for (const source of open) source.close();
  open = [];
  const { model, runner } = loaded;
  const session = new Session(model, runner, settings);
  view.begin(session.rows, model.classes);
  element("answers").hidden = true;
  const abort = new AbortController();
  running = abort;
  element("progress").hidden = false;
  for (const [i, opener] of openers.entries()) {
    if (abort.signal.aborted) break;
    // What goes wrong with one file does not keep the others from being answered.
    try {
      const source = await opener();
      open.push(source);
      showStatus(`Answering ${source.name}${openers.length > 1 ? ` (${i + 1} of ${openers.length})` : ""}…`);
      await run(session, source, abort.signal, openers.length > 1 ? i / openers.length : null);
    } catch (error) {
      showError(error);
    }
  }
  if (running === abort) running = null;
  element("progress").hidden = true;
  await view.finish();
  showStatus(session.rows.length ? inWords(session.rows, model.classes) : "");
}

/** @param {Session} session @param {Source} source @param {AbortSignal} signal @param {number | null} share of the files */
async function run(session, source, signal, share) {
  const bar = /** @type {HTMLProgressElement} */ (element("bar"));
  let drawn = 0;
  await session.run(source, signal, async (row, image) => {
    if (source.kind === "causal") view.keep(row, image);
    if (performance.now() - drawn < DRAW_EVERY_MS) return;
    view.follow(row, image);
    const done = share ?? (source.durationS ? row.timeS / source.durationS : null);
    if (done === null) bar.removeAttribute("value");
    else bar.value = done;
    await breathe();
    drawn = performance.now();
  });
  if (source.kind === "causal") source.close();
}

async function stop() {
  running?.abort();
  for (const source of open) if (source.kind === "causal") source.close();
  while (running) await breathe();
}

async function useCamera() {
  const cameras = /** @type {HTMLSelectElement} */ (element("camera"));
  await answer([
    async () => {
      const source = await openCamera(cameras.value);
      await listCameras(cameras);
      return source;
    },
  ]);
}

/** The browser names the cameras once one was allowed.
 * @param {HTMLSelectElement} cameras */
async function listCameras(cameras) {
  const found = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const { value } = cameras;
  cameras.replaceChildren(
    make("option", { value: "" }, "the browser's choice"),
    ...found.map(({ deviceId, label }) => make("option", { value: deviceId }, label)),
  );
  cameras.value = value;
  cameras.hidden = element("camera-label").hidden = found.length < 2;
}

function listModels() {
  const names = builtIn().map(({ name }, i) => make("option", { value: String(i) }, name));
  models.replaceChildren(...(names.length ? names : [make("option", { value: "" }, "none is built in: open a file")]));
  models.disabled = !names.length;
  models.addEventListener("change", () => act(loadChosen));
}

/** @param {string} button @param {string} input @param {(files: File[]) => Promise<void>} use */
function chooser(button, input, use) {
  const field = /** @type {HTMLInputElement} */ (element(input));
  element(button).addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    const files = [...(field.files ?? [])];
    field.value = ""; // so that the same file can be chosen again
    files.sort((a, b) => a.webkitRelativePath.localeCompare(b.webkitRelativePath, "en", { numeric: true }));
    if (files.length) act(() => use(files));
  });
}

function acceptDrops() {
  const drop = element("drop");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", () => drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const { dataTransfer } = event;
    if (!dataTransfer) return;
    const files = droppedFiles(dataTransfer);
    act(async () => openFiles(await files));
  });
}

async function begin() {
  await startEngine();
  listModels();
  chooser("choose-model", "model-files", loadFiles);
  chooser("choose-files", "files", openFiles);
  chooser("choose-folder", "folder", openFiles);
  element("use-camera").addEventListener("click", () => act(useCamera));
  element("stop").addEventListener("click", () => act(stop));
  acceptDrops();
  for (const id of ["choose-model", "choose-files", "choose-folder", "use-camera"])
    element(id).removeAttribute("disabled");
  const [first] = builtIn();
  if (first) await load(() => readBuiltIn(first), first.name);
  else showStatus("Open a model file: the folder or the .tflite file that export.py wrote.");
}

act(begin);
