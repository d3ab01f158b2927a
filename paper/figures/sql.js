import * as Plot from "@observablehq/plot";
import queries from "../../analysis/reference/queries.sql";
import {dataTable, element, failure, figure, message, save} from "./lib/figure.js";
import {base} from "./lib/theme.js";

/** The named queries of the release's query file: `{name, about, sql}`. */
export function examples(text = queries) {
  return text
    .split(/^-- name: /m)
    .slice(1)
    .map((block) => {
      const [name, about, ...sql] = block.split("\n");
      return {name: name.trim(), about: about.replace(/^-- /, ""), sql: sql.join("\n").trim().replace(/;$/, "")};
    });
}

/**
 * A console over the release: examples, an editor, the result of each statement as a table or a chart. The query stands in the address, where
 * it may come from anybody: it runs when the reader says so. DuckDB (18 MB of WebAssembly, from beside the page) is loaded with the first run.
 */
export function sqlConsole(release, manifest, {width = 640} = {}) {
  if (!Object.keys(manifest.tables).length) return message("This release holds no tables.");
  const given = new URLSearchParams(location.search);
  const all = examples().filter(({sql}) => [...sql.matchAll(/\b(?:from|join) (\w+)/g)].every(([, table]) => table in manifest.tables));
  const pick = element("select", {id: "kdgat-example"}, ...all.map(({name, about}) => element("option", {value: name}, `${name}: ${about}`)));
  const editor = element("textarea", {id: "kdgat-query", rows: 8, spellcheck: "false", autocomplete: "off"});
  const view = element("select", {id: "kdgat-view"}, ...["table", "bars", "dots", "lines"].map((name) => element("option", {value: name}, name)));
  const run = element("button", {type: "button", class: "kdgat-primary", title: "Ctrl + Enter"}, "Run");
  const cancel = element("button", {type: "button", disabled: ""}, "Cancel");
  const output = element("div", {class: "kdgat-result", "aria-live": "polite"});
  const status = element("p", {class: "kdgat-readout", role: "status"}, given.has("q") ? "The query of the address runs when you press Run." : "The database is loaded with the first query.");
  const label = (text, input) => element("label", {for: input.id}, text);

  editor.value = given.get("q") ?? all[0]?.sql ?? "";
  pick.value = (all.find(({sql}) => sql === editor.value) ?? all[0])?.name;
  view.value = ["bars", "dots", "lines"].includes(given.get("view")) ? given.get("view") : "table";
  let answers = [];
  const show = () => output.replaceChildren(...answers.map((one) => shown(one, view.value, width, answers.length > 1 ? null : saveParquet)));
  const remember = () => history.replaceState(history.state, "", `?${new URLSearchParams({q: editor.value, view: view.value})}${location.hash}`);
  const database = () =>
    import("./lib/duckdb.js").catch(() => {
      throw new Error("The database cannot be loaded: the site lacks a part of its folder assets/. Load the page again to try once more.");
    });
  let stop = null;
  /** What `use`, `(database, signal) → …`, makes while no other runs; null where it failed, which is then said. */
  const alone = async (use) => {
    stop = new AbortController();
    run.disabled = true;
    cancel.disabled = false;
    try {
      return await use(await database(), stop.signal);
    } catch (error) {
      answers = [];
      status.textContent = "The query failed.";
      output.replaceChildren(failure(error.message));
      return null;
    } finally {
      run.disabled = false;
      cancel.disabled = true;
    }
  };
  const execute = async () => {
    if (run.disabled) return;
    remember();
    status.textContent = "Running…";
    const begin = performance.now();
    const made = await alone(({run: ask}, signal) => ask(release.base, manifest.tables, editor.value, signal));
    if (!made) return;
    answers = made;
    status.textContent = `${answers.reduce((sum, {rows}) => sum + rows.length, 0)} rows in ${((performance.now() - begin) / 1000).toFixed(2)} s.`;
    show();
  };
  const saveParquet = async (statement) => {
    const bytes = await alone(({parquet}, signal) => parquet(release.base, manifest.tables, statement, signal));
    if (bytes) save(new Blob([bytes], {type: "application/vnd.apache.parquet"}), "result.parquet");
  };
  cancel.addEventListener("click", () => stop.abort(new Error("The query was cancelled.")));
  run.addEventListener("click", execute);
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) execute();
  });
  pick.addEventListener("change", () => {
    editor.value = all.find(({name}) => name === pick.value).sql;
    execute();
  });
  view.addEventListener("change", () => {
    remember();
    show();
  });
  return element("div", {class: "kdgat-sql"}, label("Example", pick), pick, label("Query", editor), editor,
    element("div", {class: "kdgat-row"}, run, cancel, label("Show as", view), view), status, output);
}

/** What a statement answered, below its first line where there are several; `asParquet`: what the button under a table calls, or null. */
function shown({statement, rows}, view, width, asParquet) {
  const node = result(rows, view, width);
  if (!asParquet) return element("section", {}, element("pre", {class: "kdgat-statement"}, statement), node);
  if (view === "table" && rows.length) {
    const button = element("button", {type: "button", class: "kdgat-copy"}, "download Parquet");
    button.addEventListener("click", () => asParquet(statement));
    node.querySelector(".kdgat-row").append(button);
  }
  return node;
}

/** The rows of a result as a table, or as a chart of the first column against the first numeric one after it. */
function result(rows, view, width) {
  if (!rows.length) return message("No rows.");
  const columns = Object.keys(rows[0]);
  const y = columns.slice(1).find((column) => rows.some((row) => typeof row[column] === "number"));
  if (view === "table") return dataTable(rows, columns, "Result of the query", {tools: true});
  if (!y) return message("A chart needs a number in a column after the first.");
  const [x] = columns;
  const numeric = rows.every((row) => typeof row[x] === "number");
  const mark = {
    bars: () => (numeric ? Plot.ruleX(rows, {x, y, strokeWidth: 3}) : Plot.barX(rows, {x: y, y: x, fill: "#0072B2"})),
    dots: () => Plot.dot(rows, {x, y, r: 3, stroke: "#0072B2"}),
    lines: () => Plot.lineY(rows, {x, y, stroke: "#0072B2"})
  }[view]();
  const label = `${y} by ${x}`;
  if (view === "bars" && !numeric) {
    const names = [...new Set(rows.map((row) => row[x]))]; // in the order of the query
    const marginLeft = Math.min(width * 0.45, 12 + 6.5 * Math.max(...names.map((name) => String(name).length)));
    const lying = Plot.plot({...base({width}), height: 60 + 20 * names.length, marginLeft, x: {label: `${y} →`, grid: true}, y: {label: null, domain: names}, marks: [mark, Plot.ruleX([0])]});
    return figure(lying, {label, rows});
  }
  const chart = Plot.plot({...base({width}), height: 360, marginLeft: 80, marginBottom: 120, x: {label: x, tickRotate: numeric ? 0 : -30}, y: {label: y, grid: true}, marks: [mark, Plot.ruleY([0])]});
  return figure(chart, {label, rows});
}

/** A docstring without its marks. */
const words = (doc = "") => doc.replaceAll("`", "");

/**
 * Every table of the release with what its columns hold and in which unit. `manifest`: of the release; `schema`: table → `{doc, columns}`, as
 * tools/assets.py writes it from kdgat.records. A column that a release alone has (a model's scores) shows its type.
 */
export function schemaPane({tables}, schema) {
  const entries = Object.entries(tables).map(([name, {rows, columns}]) => {
    const {doc = "", columns: told = {}} = schema[name] ?? {};
    const list = Object.entries(columns).map(([column, type]) => ({column, type, unit: told[column]?.unit ?? "", holds: words(told[column]?.doc)}));
    const details = element("details", {class: "kdgat-schema"}, element("summary", {}, element("code", {}, name), ` ${rows.toLocaleString("en")} rows. ${words(doc)}`));
    details.addEventListener("toggle", () => details.append(dataTable(list, ["column", "type", "unit", "holds"], `Columns of ${name}`, {tools: false})), {once: true});
    return details;
  });
  return entries.length ? element("div", {}, ...entries) : message("This release holds no tables.");
}
