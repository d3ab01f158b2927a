// Bundles the figures into dist/: one entry, split so that a page loads only what it draws.
import {build} from "esbuild";
import {cp, mkdir, readdir, rm, writeFile} from "node:fs/promises";
import {join, relative} from "node:path";
import {fileURLToPath} from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url)); // a path is no URL: it may hold a space, # or %
// files are replaced, and what is left of an earlier build removed at the end: a renderer may be walking the folder
const before = await readdir(`${here}dist`, {recursive: true, withFileTypes: true}).catch(() => []);
const earlier = new Set(before.filter((entry) => entry.isFile()).map((entry) => relative(here, join(entry.parentPath, entry.name))));
const {metafile} = await build({
  metafile: true,
  absWorkingDir: here,
  entryPoints: {kdgat: "index.js", page: "page.js", draft: "../../tools/draft/ojs.js"},
  nodePaths: ["node_modules"],
  preserveSymlinks: true, // the same bundle wherever the packages lie
  outdir: "dist",
  bundle: true,
  splitting: true,
  loader: {".sql": "text"},
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "linked",
  logLevel: "warning"
});

// what a page with figures loads at once: named in its head, none waits for another
const atOnce = new Set();
const follow = (file) => {
  if (atOnce.has(file)) return;
  atOnce.add(file);
  for (const {path, kind} of metafile.outputs[file].imports) if (kind === "import-statement") follow(path);
};
follow("dist/kdgat.js");
await writeFile(`${here}dist/kdgat.modules.json`, JSON.stringify([...atOnce].map((file) => file.replace("dist/", ""))));

// the SQL page loads these when its first query runs
await mkdir(`${here}dist/duckdb`, {recursive: true});
for (const file of ["duckdb-eh.wasm", "duckdb-browser-eh.worker.js"]) {
  await cp(`${here}node_modules/@duckdb/duckdb-wasm/dist/${file}`, `${here}dist/duckdb/${file}`);
}

// and the live page these when it is started
await mkdir(`${here}dist/onnx`, {recursive: true});
const runtime = "ort-wasm-simd-threaded.wasm";
await cp(`${here}node_modules/onnxruntime-web/dist/${runtime}`, `${here}dist/onnx/${runtime}`);

const made = new Set([...Object.keys(metafile.outputs), "dist/kdgat.modules.json", `dist/onnx/${runtime}`]);
for (const file of ["duckdb-eh.wasm", "duckdb-browser-eh.worker.js"]) made.add(`dist/duckdb/${file}`);
for (const file of earlier) if (!made.has(file)) await rm(`${here}${file}`);
