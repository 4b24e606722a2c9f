/**
 * Builds the page into dist/, or where WEB_DIST says: one folder that needs neither a server nor a network.
 *
 *     node build.mjs [BUNDLE ...]
 *
 * A BUNDLE is a folder of export.py, or a .tflite file with its .json next to it; the page offers them in a list.
 */

import { build } from "esbuild";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const DIST = process.env.WEB_DIST || join(HERE, "dist");
const MODULES = join(HERE, "node_modules");
const WASM = join(MODULES, "@litertjs", "core", "wasm");
const ENGINES = { "engine.js": "litert_wasm_internal", "engine_compat.js": "litert_wasm_compat_internal" };
const LIBRARIES = ["@litertjs/core", "@litertjs/wasm-utils", "mediabunny"];

/** @param {Buffer} bytes */
function packed(bytes) {
  return gzipSync(bytes, { level: 9 }).toString("base64");
}

function writeEngines() {
  for (const [script, name] of Object.entries(ENGINES)) {
    const glue = readFileSync(join(WASM, `${name}.js`), "utf8");
    const wasm = packed(readFileSync(join(WASM, `${name}.wasm`)));
    writeFileSync(join(DIST, script), `${glue}\nself.ModuleFactory = ModuleFactory;\nself.ENGINE_WASM = "${wasm}";\n`);
  }
}

/** @param {string[]} bundles */
function writeModels(bundles) {
  const models = bundles.map((path) => {
    const folder = statSync(path).isDirectory() ? path : dirname(path);
    const wanted = folder === path ? /^(bundle\.json|student_int8\.tflite)$/ : null;
    const names = readdirSync(folder).filter((name) =>
      wanted ? wanted.test(name) : name === basename(path) || name === `${basename(path)}.json`,
    );
    const files = Object.fromEntries(names.map((name) => [name, packed(readFileSync(join(folder, name)))]));
    if (names.length < 2)
      throw new Error(`${path}: is no bundle: give a folder of export.py, or a .tflite with its .json next to it`);
    return { name: basename(path).replace(/\.tflite$/, ""), files };
  });
  writeFileSync(join(DIST, "models.js"), `self.MODELS = ${JSON.stringify(models)};\n`);
}

function writeLicences() {
  const texts = LIBRARIES.map((name) => {
    const folder = join(MODULES, name);
    const { version, license, homepage } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), "utf8") : `The text of ${license} stands at the end.`;
    return `${name} ${version}, ${license}${homepage ? `, ${homepage}` : ""}\n\n${text}`;
  });
  const own = readFileSync(join(HERE, "..", "LICENSE"), "utf8");
  writeFileSync(
    join(DIST, "LICENSES.txt"),
    [...texts, `This page, Apache-2.0\n\n${own}`].join(`\n${"-".repeat(80)}\n`),
  );
}

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST, { recursive: true });
await build({
  entryPoints: [join(HERE, "src", "main.js")],
  outfile: join(DIST, "page.js"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  alias: { "@litertjs/wasm-utils": join(HERE, "src", "engine", "wasm_lib.js") },
  logLevel: "warning",
});
writeEngines();
writeModels(process.argv.slice(2).filter(Boolean));
writeLicences();
for (const name of ["index.html", "page.css"]) cpSync(join(HERE, name), join(DIST, name));
