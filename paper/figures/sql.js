import * as Plot from "@observablehq/plot";
import queries from "../../analysis/reference/queries.sql";
import {dataTable, element, failure, figure, message} from "./lib/figure.js";
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
 * A console over the release: examples, an editor, the result as a table or a chart. The query stands in the address.
 * DuckDB (18 MB of WebAssembly, from beside the page) is loaded when the first query runs.
 */
export function sqlConsole(release, manifest, {width = 640} = {}) {
  if (!Object.keys(manifest.tables).length) return message("This release holds no tables.");
  const given = new URLSearchParams(location.search);
  const all = examples().filter(({sql}) => [...sql.matchAll(/\b(?:from|join) (\w+)/g)].every(([, table]) => table in manifest.tables));
  const pick = element("select", {id: "kdgat-example"}, ...all.map(({name, about}) => element("option", {value: name}, `${name}: ${about}`)));
  const editor = element("textarea", {id: "kdgat-query", rows: 8, spellcheck: "false", autocomplete: "off"});
  const view = element("select", {id: "kdgat-view"}, ...["table", "bars", "dots", "lines"].map((name) => element("option", {value: name}, name)));
  const run = element("button", {type: "button", class: "kdgat-primary", title: "Ctrl + Enter"}, "Run");
  const output = element("div", {class: "kdgat-result", "aria-live": "polite"});
  const status = element("p", {class: "kdgat-readout", role: "status"}, "The database is loaded with the first query.");
  const label = (text, input) => element("label", {for: input.id}, text);

  editor.value = given.get("q") ?? all[0]?.sql ?? "";
  pick.value = (all.find(({sql}) => sql === editor.value) ?? all[0])?.name;
  view.value = ["bars", "dots", "lines"].includes(given.get("view")) ? given.get("view") : "table";
  let rows = null;
  const show = () => output.replaceChildren(...(rows ? [result(rows, view.value, width)] : []));
  const remember = () => history.replaceState(history.state, "", `?${new URLSearchParams({q: editor.value, view: view.value})}${location.hash}`);
  const execute = async () => {
    remember();
    status.textContent = "Running…";
    run.disabled = true;
    const begin = performance.now();
    try {
      const {query} = await import("./lib/duckdb.js").catch(() => {
        throw new Error("The database cannot be loaded: the site lacks a part of its folder assets/. Load the page again to try once more.");
      });
      rows = await query(release.base, manifest.tables, editor.value);
      status.textContent = `${rows.length} rows in ${((performance.now() - begin) / 1000).toFixed(2)} s.`;
      show();
    } catch (error) {
      rows = null;
      status.textContent = "The query failed.";
      output.replaceChildren(failure(error.message));
    }
    run.disabled = false;
  };
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
  if (given.has("q")) execute();
  return element("div", {class: "kdgat-sql"}, label("Example", pick), pick, label("Query", editor), editor,
    element("div", {class: "kdgat-row"}, run, label("Show as", view), view), status, output);
}

/** The rows of a result as a table, or as a chart of the first column against the first numeric one after it. */
function result(rows, view, width) {
  if (!rows.length) return message("The query returned no rows.");
  const columns = Object.keys(rows[0]);
  const y = columns.slice(1).find((column) => rows.some((row) => typeof row[column] === "number"));
  if (view === "table") return dataTable(rows, columns, "Result of the query");
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
