import {readFileSync} from "node:fs";
import {defineConfig} from "vitest/config";

// .sql files are imported as text, as esbuild does for the pages
const sql = {
  name: "sql",
  load: (id) => (id.endsWith(".sql") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : null)
};
export default defineConfig({plugins: [sql]});
