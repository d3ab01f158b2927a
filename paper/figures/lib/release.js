// The frozen release, read from beside the page. Nothing else is ever fetched.
import {parquetReadObjects} from "hyparquet";

/**
 * Opens the release at `base` (URL of the folder that holds its Parquet files and manifest.json).
 *
 * `table(name)` resolves to an array of plain objects, an empty one for a table that the release does not have; 64-bit counts become
 * numbers (all are far below 2⁵³). A table is fetched once. One that cannot be read rejects with a sentence that names it.
 */
export function open(base) {
  const read = new Map();
  const manifest = load(new URL("manifest.json", base), (response) => response.json());
  const table = async (name) => {
    if (!(await manifest).tables[name]) return [];
    const file = await load(new URL(`${name}.parquet`, base), (response) => response.arrayBuffer());
    return (await parquetReadObjects({file})).map(plain);
  };
  return {
    base,
    manifest: () => manifest,
    table: (name) => read.get(name) ?? read.set(name, table(name)).get(name)
  };
}

/**
 * Rows of `benchmarks` of every release of the store, in the order of time, each with the name of its `release`. `base`: the folder that
 * holds a folder a release and index.json, their names.
 */
export async function benchmarks(base) {
  const names = await load(new URL("index.json", base), (response) => response.json());
  const tables = await Promise.all(
    names.map(async (release) => {
      const file = await load(new URL(`${release}/benchmarks.parquet`, base), (response) => response.arrayBuffer());
      return (await parquetReadObjects({file})).map((row) => ({release, ...plain(row)}));
    })
  );
  return tables.flat();
}

/** What a release holds: a row a table. */
export const tables = (manifest) =>
  Object.entries(manifest.tables).map(([table, {rows, columns}]) => ({table, rows, columns: Object.keys(columns).join(", ")}));

export async function load(url, parse) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname.split("/").at(-1)} of the release cannot be read (${response.status})`);
  return parse(response);
}

/** A row with every BigInt as a number. */
export function plain(row) {
  for (const key in row) if (typeof row[key] === "bigint") row[key] = Number(row[key]);
  return row;
}
