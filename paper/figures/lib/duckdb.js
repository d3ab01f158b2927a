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

/**
 * Rows of a query as plain objects: booleans, numbers, strings and null, whatever DuckDB's type is. Rejects with DuckDB's own
 * message.
 */
export async function query(base, tables, sql) {
  opened ??= open(base, tables);
  const connection = await opened.catch((error) => {
    opened = null;
    throw error;
  });
  const statement = sql.trim().replace(/;\s*$/, "");
  const described = await connection.query(`describe ${statement}`).catch(() => null); // not every statement is a query
  if (!described) return (await connection.query(sql)).toArray().map((row) => plain({...row.toJSON()}));
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

/** A whole number that JavaScript cannot hold stays text. */
const exact = (value) => (typeof value !== "bigint" ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value));
