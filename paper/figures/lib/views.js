// How the tables of a release lie in files: most in one, `predictions` in parts (see analysis/releases/predictions.py).

/** Columns of a window in a part; all others are scores, `<model>@<seed>` or, where all seeds score alike, `<model>`. */
export const WINDOW = ["protocol", "capture", "window", "t0", "duration", "attack", "injected"];
const PLACE = ["dataset", "scenario", "seed"];

/** Names of a table's columns that a part does not repeat for each seed. */
export const ofPart = (columns) => Object.keys(columns).filter((name) => !PLACE.includes(name));

/** The column of a part that holds `name` for a seed; undefined where it holds none. */
export const columnFor = (name, seed, held) => [name, `${name}@${seed}`].find((column) => held.has(column));

/** Files of all tables; `tables`: what the manifest says of them. */
export const files = (tables) => Object.entries(tables).flatMap(([name, {parts}]) => (parts ? parts.map(({file}) => file) : [`${name}.parquet`]));

/** SQL of a table; `held`: file → set of its columns, of the parts. */
export function select(name, {parts, columns}, held) {
  if (!parts) return `select * from read_parquet('${name}.parquet')`;
  const quoted = (column) => `"${column}"`;
  const models = ofPart(columns).filter((column) => !WINDOW.includes(column));
  // one read of a part for all of its seeds: DuckDB in a browser does not bear a hundred reads in one view
  const selects = parts.map(({file, dataset, scenario, seeds}) => {
    const scores = models.map((model) => {
      const cases = seeds.flatMap((seed) => {
        const column = columnFor(model, seed, held.get(file));
        return column ? [`when ${seed} then ${quoted(column)}`] : [];
      });
      return `${cases.length ? `case s.seed ${cases.join(" ")} end` : "null::float"} as ${quoted(model)}`;
    });
    const place = `'${dataset}' as dataset, '${scenario}' as scenario, s.seed::int as seed`;
    return `select ${[place, ...WINDOW.map(quoted), ...scores].join(", ")} from read_parquet('${file}'), (values ${seeds.map((seed) => `(${seed})`).join(", ")}) s(seed)`;
  });
  return selects.join(" union all ");
}
