// DuckDB in the page: loaded from beside it, over the same Parquet files. Pinned to the last version that needs nothing else.
import {AsyncDuckDB, ConsoleLogger, LogLevel} from "@duckdb/duckdb-wasm";
import {load, requireWasm} from "./load.js";
import {plain} from "./release.js";
import {files, select} from "./views.js";

let opened = null;

/** Starts the database once and gives every table of the release a view; `tables`: what the manifest says of them. */
async function open(base, tables) {
  requireWasm();
  const part = (name) => load(new URL(`../duckdb/${name}`, base), async (response) => URL.createObjectURL(await response.blob()));
  // fetched here and not by DuckDB, which would wait for ever for what does not come
  const [script, module] = await Promise.all([part("duckdb-browser-eh.worker.js"), part("duckdb-eh.wasm")]);
  const database = new AsyncDuckDB(new ConsoleLogger(LogLevel.WARNING), new Worker(script));
  await database.instantiate(module);
  const connection = await database.connect();
  await Promise.all(
    files(tables).map(async (file) => {
      const bytes = await load(new URL(file, base), (response) => response.arrayBuffer());
      await database.registerFileBuffer(file, new Uint8Array(bytes));
    })
  );
  const held = new Map();
  for (const {file} of Object.values(tables).flatMap(({parts}) => parts ?? [])) {
    const described = await connection.query(`describe select * from read_parquet('${file}')`);
    held.set(file, new Set(described.toArray().map((row) => row.column_name)));
  }
  for (const [name, about] of Object.entries(tables)) await connection.query(`create view "${name}" as ${select(name, about, held)}`);
  return connection;
}

/** Rows of a query as plain objects. Rejects with DuckDB's own message. */
export async function query(base, tables, sql) {
  opened ??= open(base, tables);
  const connection = await opened.catch((error) => {
    opened = null;
    throw error;
  });
  const result = await connection.query(sql);
  return result.toArray().map((row) => plain({...row.toJSON()}));
}
