// The frozen release, read from beside the page. Nothing else is ever fetched.
import {asyncBufferFromUrl, cachedAsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetScan} from "hyparquet";
import {load, unreadable} from "./load.js";
import {instead} from "./problems.js";
import {columnFor, ofPart} from "./views.js";

const FOOTER = 1 << 15; // bytes that hold the footer of any table

/**
 * Opens the release at `base` (URL of the folder that holds its Parquet files and manifest.json).
 *
 * `table(name)` resolves to an array of plain objects, an empty one for a table that the release does not have; 64-bit counts become
 * numbers (all are far below 2⁵³). A table is fetched once. Of a large one, `groups(name, columns, values)` gives one row per distinct combination of its
 * first columns, of the rows that have these `values` if any are given, and `rows(name, values, columns)` the rows that have these `values`: no more is decoded, or fetched where the host serves ranges.
 * Whether a table lies in one file or in parts (`predictions`, see analysis/releases/predictions.py) makes no difference to who asks.
 *
 * Of `summary`, which a page shows one dataset and protocol of at a time, the site holds a file for each (tools/assets.py): `summaries()` lists
 * them, `summary(one)` reads the rows of one, none for undefined. `schema()` tells what columns hold.
 *
 * What cannot be read is empty, and stands in lib/problems.js as a sentence, which every figure without rows shows.
 */
export function open(base) {
  const read = new Map();
  const scans = new Map();
  const manifest = load(new URL("manifest.json", base), (response) => response.json()).catch(instead({tables: {}, weights: {}}));
  const table = async (name) => {
    const about = (await manifest).tables[name];
    if (!about) return [];
    if (about.parts) return whole(partScan(base, about), about);
    return load(new URL(`${name}.parquet`, base), rowsOf);
  };
  const part = async (name, ask) => {
    const about = (await manifest).tables[name];
    if (!about) return [];
    const url = new URL(`${name}.parquet`, base);
    if (!scans.has(name)) scans.set(name, about.parts ? Promise.resolve(partScan(base, about)) : scan(url, about));
    return scans.get(name).then(ask).catch(() => instead([])(unreadable(url, "damaged, or no answer")));
  };
  return {
    base,
    manifest: () => manifest,
    table: (name) => read.get(name) ?? read.set(name, table(name).catch(instead([]))).get(name),
    groups: (name, columns, values = {}) => part(name, (scan) => scan.groups(columns, values)),
    rows: (name, values, columns) => part(name, (scan) => scan.rows(values, columns)),
    schema: () => load(new URL("../schema.json", base), (response) => response.json()).catch(instead({})),
    summaries: () => load(new URL("../summary/index.json", base), (response) => response.json()).catch(instead([])),
    summary: async (one) => (one ? load(new URL(`../summary/${one.file}`, base), rowsOf).catch(instead([])) : [])
  };
}

/** Every row of a Parquet file. */
const rowsOf = async (response) => (await parquetReadObjects({file: await response.arrayBuffer()})).map(plain);

/** A large table, column by column. `bytes`, `rows`: what the manifest says of its file. */
async function scan(url, {bytes, rows: n}) {
  const file = cachedAsyncBuffer(await asyncBufferFromUrl({url: url.href, byteLength: bytes}));
  const metadata = await parquetMetadataAsync(file, {initialFetchSize: FOOTER});
  const held = new Set(metadata.schema.map(({name}) => name));
  const {readColumn, ranges} = await parquetScan({file, metadata});
  // a range may span row groups, of which the library reads one at a time
  const values = async (column, begin, end) => {
    const within = ranges.map(({rowStart, rowEnd}) => ({column, rowStart: Math.max(begin, rowStart), rowEnd: Math.min(end, rowEnd)}));
    const pieces = await Promise.all(within.filter(({rowStart, rowEnd}) => rowStart < rowEnd).map(readColumn));
    return pieces.length === 1 ? pieces[0] : pieces.flatMap((piece) => Array.from(piece));
  };
  const read = async (names, begin = 0, end = n) => {
    const found = await Promise.all(names.map((column) => values(column, begin, end)));
    return new Map(names.map((name, i) => [name, found[i]]));
  };
  const row = (columns, i) => plain(Object.fromEntries([...columns].map(([name, values]) => [name, values[i]])));
  return {
    held,
    groups: async (names, values = {}) => {
      const columns = await read(names);
      const keys = [...columns.values()];
      const wanted = [...(await read(Object.keys(values)))].map(([name, column]) => [column, values[name]]);
      const found = new Map();
      for (let i = 0; i < n; i += 1) {
        if (!wanted.every(([column, value]) => column[i] === value)) continue;
        if (!wanted.length && i && keys.every((values) => values[i] === values[i - 1])) continue; // a table is sorted: most rows are as the one before
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
      const columns = await read(names.filter((name) => held.has(name)), first, last + 1);
      return found.map((i) => ({...values, ...row(columns, i - first)}));
    }
  };
}

/** A table in parts by dataset and scenario, as if it had a row per window and seed. */
function partScan(base, {parts}) {
  const scans = new Map();
  const of = (part) => scans.get(part) ?? scans.set(part, scan(new URL(part.file, base), part)).get(part);
  return {
    groups: async (names, values = {}) => {
      const found = new Map();
      const {dataset, scenario, seed: one, ...within} = values;
      for (const part of parts) {
        if ((dataset ?? part.dataset) !== part.dataset || (scenario ?? part.scenario) !== part.scenario) continue;
        const protocols = names.includes("protocol") ? await (await of(part)).groups(["protocol"], within) : [{}];
        for (const {protocol} of protocols)
          for (const seed of part.seeds.filter((each) => (one ?? each) === each)) {
            const all = {dataset: part.dataset, scenario: part.scenario, protocol, seed};
            const one = Object.fromEntries(names.map((name) => [name, all[name]]));
            found.set(JSON.stringify(one), one);
          }
      }
      return [...found.values()];
    },
    rows: async (values, names) => {
      const {dataset, scenario, seed, ...rest} = values;
      const found = [];
      for (const part of parts) {
        if ((dataset ?? part.dataset) !== part.dataset || (scenario ?? part.scenario) !== part.scenario) continue;
        const file = await of(part);
        for (const one of part.seeds.filter((each) => (seed ?? each) === each)) {
          const column = (name) => columnFor(name, one, file.held);
          const rows = await file.rows(rest, names.map(column).filter(Boolean));
          const place = {dataset: part.dataset, scenario: part.scenario, seed: one};
          found.push(...rows.map((row) => ({...place, ...rest, ...Object.fromEntries(names.map((name) => [name, row[column(name)] ?? null]))})));
        }
      }
      return found;
    }
  };
}

/** Every row of a table in parts. */
const whole = (scanned, {columns}) => scanned.rows({}, ofPart(columns));

/**
 * Rows of `benchmarks` of every release of the store, in the order of time, each with the name of its `release`. `base`: the folder that
 * holds one folder per release and index.json, their names.
 */
export async function benchmarks(base) {
  try {
    const names = await load(new URL("index.json", base), (response) => response.json());
    const tables = await Promise.all(
      names.map((release) =>
        load(new URL(`${release}/benchmarks.parquet`, base), async (response) => {
          return (await rowsOf(response)).map((row) => ({release, ...row}));
        })
      )
    );
    return tables.flat();
  } catch (error) {
    return instead([])(error);
  }
}

/** A row with every BigInt as a number. */
export function plain(row) {
  for (const key in row) if (typeof row[key] === "bigint") row[key] = Number(row[key]);
  return row;
}
