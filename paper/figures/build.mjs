// Bundles the figures into dist/: one entry, split so that a page loads only what it draws.
import {build} from "esbuild";
import {rm} from "node:fs/promises";

const here = new URL(".", import.meta.url).pathname;
await rm(`${here}dist`, {recursive: true, force: true});
await build({
  absWorkingDir: here,
  entryPoints: {kdgat: "index.js", draft: "../../tools/draft/ojs.js"},
  nodePaths: ["node_modules"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "linked",
  logLevel: "warning"
});
