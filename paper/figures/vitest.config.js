import {readFileSync} from "node:fs";
import {defineConfig} from "vitest/config";

// .sql files are imported as text, as esbuild does for the pages
const sql = {
  name: "sql",
  load: (id) => (id.endsWith(".sql") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : null)
};
// the limits are for what hangs: a machine that does other work too takes many times as long as a quiet one
export default defineConfig({plugins: [sql], test: {testTimeout: 600_000, hookTimeout: 600_000}});
