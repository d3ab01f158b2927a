// Bundles the figures into dist/: one entry, split so that a page loads only what it draws.
import {build} from "esbuild";
import {cp, mkdir, rm, writeFile} from "node:fs/promises";

const here = new URL(".", import.meta.url).pathname;
await rm(`${here}dist`, {recursive: true, force: true});
const {metafile} = await build({
  metafile: true,
  absWorkingDir: here,
  entryPoints: {kdgat: "index.js", page: "page.js", draft: "../../tools/draft/ojs.js"},
  nodePaths: ["node_modules"],
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
await mkdir(`${here}dist/duckdb`);
for (const file of ["duckdb-eh.wasm", "duckdb-browser-eh.worker.js"]) {
  await cp(`${here}node_modules/@duckdb/duckdb-wasm/dist/${file}`, `${here}dist/duckdb/${file}`);
}

// and the live page these when it is started
await mkdir(`${here}dist/onnx`);
const runtime = "ort-wasm-simd-threaded.wasm";
await cp(`${here}node_modules/onnxruntime-web/dist/${runtime}`, `${here}dist/onnx/${runtime}`);
