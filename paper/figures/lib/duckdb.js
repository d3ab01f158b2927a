// DuckDB in the page: loaded from beside it, over the same Parquet files. Pinned at 1.28.0: later ones (1.32.0 was tried without a network)
// fetch their Parquet extension from DuckDB's host, and the npm package does not hold it.
import {AsyncDuckDB, ConsoleLogger, LogLevel} from "@duckdb/duckdb-wasm";
import {load, requireWasm} from "./load.js";
import {plain} from "./release.js";
import {statements} from "./statements.js";
import {files, select} from "./views.js";

let opened = null;
export const LIMIT = 60; // s that one run may take

/** Starts the database once and gives every table of the release a view; `tables`: what the manifest says of them. */
async function open(base, tables) {
  requireWasm();
  const part = (name) => load(new URL(`../duckdb/${name}`, base), async (response) => URL.createObjectURL(await response.blob()));
  // fetched here and not by DuckDB, which would wait for ever for what does not come
  const [script, module] = await Promise.all([part("duckdb-browser-eh.worker.js"), part("duckdb-eh.wasm")]);
  const worker = new Worker(script);
  const database = new AsyncDuckDB(new ConsoleLogger(LogLevel.WARNING), worker);
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
  return {database, connection, worker};
}

/** Types that JavaScript has, and how others are asked for: DuckDB writes what it alone knows how to write. */
const PLAIN = /^(BOOLEAN|U?(TINY|SMALL)INT|U?INTEGER|U?BIGINT|FLOAT|DOUBLE|VARCHAR)$/;
const EXACT_DIGITS = 15; // of a double

function shown(type, column) {
  if (PLAIN.test(type)) return column;
  const decimal = /^DECIMAL\((\d+),/.exec(type);
  return decimal && Number(decimal[1]) <= EXACT_DIGITS ? `${column}::double` : `${column}::varchar`;
}

/** Names of columns of which several are called alike: `n`, `n (2)`, …. */
function distinct(names) {
  const seen = new Map();
  return names.map((name) => {
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return seen.get(name) === 1 ? name : `${name} (${seen.get(name)})`;
  });
}

/** A whole number that JavaScript cannot hold stays text. */
const exact = (value) => (typeof value !== "bigint" ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value));

/** Rows of one statement as plain objects: booleans, numbers, strings and null, whatever DuckDB's type is. */
async function answer(connection, statement) {
  const described = await connection.query(`describe ${statement}`).catch(() => null); // not every statement is a query
  if (!described) return (await connection.query(statement)).toArray().map((row) => plain({...row.toJSON()}));
  const columns = described.toArray().map(({column_name: name, column_type: type}) => ({name, type}));
  const aliases = columns.map((_, i) => `c${i}`);
  const wanted = columns.map(({type}, i) => `${shown(type, aliases[i])} as ${aliases[i]}`);
  const result = await connection.query(`select ${wanted.join(", ")} from (\n${statement}\n) as t(${aliases.join(", ")})`);
  const names = distinct(columns.map(({name}) => name));
  return result.toArray().map((row) => {
    const values = row.toJSON();
    return Object.fromEntries(names.map((name, i) => [name, exact(values[aliases[i]])]));
  });
}

/**
 * Calls `use` with the session, which is given up after `LIMIT` seconds or when `signal` aborts: DuckDB stops for nothing less. The next one
 * begins anew.
 */
async function within(base, tables, signal, use) {
  opened ??= open(base, tables);
  const session = await opened.catch((error) => {
    opened = null;
    throw error;
  });
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = (reason) => {
      opened = null;
      session.worker.terminate();
      reject(reason);
    };
    const abort = () => stop(signal.reason);
    const timer = setTimeout(() => stop(new Error(`The query was stopped: it took over ${LIMIT} s.`)), LIMIT * 1000);
    signal.addEventListener("abort", abort);
    use(session).then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    });
  });
}

/**
 * What each statement of `sql` answers: `[{statement, rows}]`. Rejects with DuckDB's own message. What a statement creates or drops lasts
 * until the last one has been answered: the next run finds the release's tables as they are.
 */
export const run = (base, tables, sql, signal) =>
  within(base, tables, signal, async ({connection}) => {
    await connection.query("begin transaction");
    try {
      const answers = [];
      for (const statement of statements(sql)) answers.push({statement, rows: await answer(connection, statement)});
      return answers;
    } finally {
      await connection.query("rollback").catch(() => {}); // a statement may have ended it
    }
  });

/** The rows of a query as the bytes of a Parquet file. */
export const parquet = (base, tables, sql, signal) =>
  within(base, tables, signal, async ({connection, database}) => {
    await connection.query(`copy (\n${statements(sql)[0]}\n) to 'result.parquet' (format parquet)`);
    const bytes = await database.copyFileToBuffer("result.parquet");
    await database.dropFile("result.parquet");
    return bytes;
  });
