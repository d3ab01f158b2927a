// Runs queries with the browser's engine: node run_queries.cjs <node_modules> <folder of Parquet> < {name: sql} > {name: rows}
const fs = require("fs");
const path = require("path");
const [modules, folder] = process.argv.slice(2);
const duckdb = require(path.join(modules, "@duckdb/duckdb-wasm/dist/duckdb-node-blocking.cjs"));
const dist = path.join(modules, "@duckdb/duckdb-wasm/dist");

async function main() {
  const bundle = {mainModule: path.join(dist, "duckdb-eh.wasm"), mainWorker: path.join(dist, "duckdb-node-eh.worker.cjs")};
  const db = await duckdb.createDuckDB({mvp: bundle, eh: bundle}, new duckdb.VoidLogger(), duckdb.NODE_RUNTIME);
  await db.instantiate(() => {});
  const con = db.connect();
  const {files, select} = await import(path.join(modules, "../lib/views.js")); // the views are those of the page
  const {tables} = JSON.parse(fs.readFileSync(path.join(folder, "manifest.json"), "utf8"));
  for (const file of files(tables)) db.registerFileBuffer(file, new Uint8Array(fs.readFileSync(path.join(folder, file))));
  const held = new Map();
  for (const {file} of Object.values(tables).flatMap(({parts}) => parts ?? [])) {
    const described = con.query(`describe select * from read_parquet('${file}')`).toArray();
    held.set(file, new Set(described.map((row) => row.column_name)));
  }
  for (const [name, about] of Object.entries(tables)) con.query(`create view "${name}" as ${select(name, about, held)}`);
  const out = {version: con.query("select version() as v").get(0).v};
  const plain = (value) => (typeof value === "bigint" ? Number(value) : value && typeof value === "object" ? decimal(value) : value);
  for (const [name, sql] of Object.entries(JSON.parse(fs.readFileSync(0, "utf8")))) {
    const table = con.query(sql);
    out[name] = table.toArray().map((row) => table.schema.fields.map((field) => plain(row[field.name])));
  }
  console.log(JSON.stringify(out));
}

// sums of integers come as 128-bit integers in four words
function decimal(words) {
  return Array.from(words).reduce((sum, word, i) => sum + word * 2 ** (32 * i), 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
