// DuckDB in the page: loaded from beside it, over the same Parquet files. Pinned to the last version that needs nothing else.
import {AsyncDuckDB, ConsoleLogger, LogLevel} from "@duckdb/duckdb-wasm";
import {plain} from "./release.js";

let opened = null;

/** Starts the database once and gives every table of the release a view. */
async function open(base, tables) {
  const files = new URL("../duckdb/", base);
  const worker = new Worker(new URL("duckdb-browser-eh.worker.js", files));
  const database = new AsyncDuckDB(new ConsoleLogger(LogLevel.WARNING), worker);
  await database.instantiate(new URL("duckdb-eh.wasm", files).href);
  const connection = await database.connect();
  await Promise.all(
    tables.map(async (name) => {
      const response = await fetch(new URL(`${name}.parquet`, base));
      await database.registerFileBuffer(`${name}.parquet`, new Uint8Array(await response.arrayBuffer()));
    })
  );
  for (const name of tables) await connection.query(`create view "${name}" as select * from read_parquet('${name}.parquet')`);
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
