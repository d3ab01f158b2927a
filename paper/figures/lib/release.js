// The frozen release, read from beside the page. Nothing else is ever fetched.
import {asyncBufferFromUrl, cachedAsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetScan} from "hyparquet";
import {load, unreadable} from "./load.js";
import {instead} from "./problems.js";

const FOOTER = 1 << 15; // bytes that hold the footer of any table

/**
 * Opens the release at `base` (URL of the folder that holds its Parquet files and manifest.json).
 *
 * `table(name)` resolves to an array of plain objects, an empty one for a table that the release does not have; 64-bit counts become
 * numbers (all are far below 2⁵³). A table is fetched once. Of a large one, `groups(name, columns)` gives a row a distinct combination of its
 * first columns, and `rows(name, values, columns)` the rows that have these `values`: no more is decoded, or fetched where the host serves ranges.
 *
 * What cannot be read is empty, and stands in lib/problems.js as a sentence, which every figure without rows shows.
 */
export function open(base) {
  const read = new Map();
  const scans = new Map();
  const manifest = load(new URL("manifest.json", base), (response) => response.json()).catch(instead({tables: {}, weights: {}}));
  const table = async (name) => {
    if (!(await manifest).tables[name]) return [];
    return load(new URL(`${name}.parquet`, base), async (response) => (await parquetReadObjects({file: await response.arrayBuffer()})).map(plain));
  };
  const part = async (name, ask) => {
    const about = (await manifest).tables[name];
    if (!about) return [];
    const url = new URL(`${name}.parquet`, base);
    if (!scans.has(name)) scans.set(name, scan(url, about));
    return scans.get(name).then(ask).catch(() => instead([])(unreadable(url, "damaged, or no answer")));
  };
  return {
    base,
    manifest: () => manifest,
    table: (name) => read.get(name) ?? read.set(name, table(name).catch(instead([]))).get(name),
    groups: (name, columns) => part(name, (scan) => scan.groups(columns)),
    rows: (name, values, columns) => part(name, (scan) => scan.rows(values, columns))
  };
}

/** A large table, column by column. `bytes`, `rows`, `columns`: what the manifest says of it. */
async function scan(url, {bytes, rows: n, columns: known}) {
  const file = cachedAsyncBuffer(await asyncBufferFromUrl({url: url.href, byteLength: bytes}));
  const {readColumn} = await parquetScan({file, metadata: await parquetMetadataAsync(file, {initialFetchSize: FOOTER})});
  const read = async (names, rowStart = 0, rowEnd = n) => {
    const found = await Promise.all(names.map((column) => readColumn({column, rowStart, rowEnd})));
    return new Map(names.map((name, i) => [name, found[i]]));
  };
  const row = (columns, i) => plain(Object.fromEntries([...columns].map(([name, values]) => [name, values[i]])));
  return {
    groups: async (names) => {
      const columns = await read(names);
      const keys = [...columns.values()];
      const found = new Map();
      for (let i = 0; i < n; i += 1) {
        if (i && keys.every((values) => values[i] === values[i - 1])) continue; // a table is sorted: most rows are as the one before
        const one = row(columns, i);
        found.set(JSON.stringify(one), one);
      }
      return [...found.values()];
    },
    rows: async (values, names) => {
      const wanted = [...(await read(Object.keys(values)))].map(([name, column]) => [column, values[name]]);
      const found = [];
      for (let i = 0; i < n; i += 1) if (wanted.every(([column, value]) => column[i] === value)) found.push(i);
      if (!found.length) return [];
      const [first, last] = [found[0], found.at(-1)];
      const columns = await read(names.filter((name) => name in known), first, last + 1);
      return found.map((i) => ({...values, ...row(columns, i - first)}));
    }
  };
}

/**
 * Rows of `benchmarks` of every release of the store, in the order of time, each with the name of its `release`. `base`: the folder that
 * holds a folder a release and index.json, their names.
 */
export async function benchmarks(base) {
  try {
    const names = await load(new URL("index.json", base), (response) => response.json());
    const tables = await Promise.all(
      names.map((release) =>
        load(new URL(`${release}/benchmarks.parquet`, base), async (response) => {
          const rows = await parquetReadObjects({file: await response.arrayBuffer()});
          return rows.map((row) => ({release, ...plain(row)}));
        })
      )
    );
    return tables.flat();
  } catch (error) {
    return instead([])(error);
  }
}

/** What a release holds: a row a table. */
export const tables = (manifest) =>
  Object.entries(manifest.tables).map(([table, {rows, columns}]) => ({table, rows, columns: Object.keys(columns).join(", ")}));

/** A row with every BigInt as a number. */
export function plain(row) {
  for (const key in row) if (typeof row[key] === "bigint") row[key] = Number(row[key]);
  return row;
}
