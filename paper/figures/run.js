import {curves} from "./curves.js";
import {dataTable, element, message} from "./lib/figure.js";

/**
 * One run: what it says of itself, its training curves, and its settings. `rows`: the run's row of `runs`, or none; `trained`: its rows of
 * `curves`.
 */
export function runCard(rows, trained, {width = 640} = {}) {
  if (!rows.length) return message("Choose one run to see its curves and settings.");
  const [{config, ...facts}] = rows;
  const table = dataTable(Object.entries(facts).filter(([, value]) => value !== "" && value != null).map(([name, value]) => ({name, value})), ["name", "value"], facts.run, {tools: false});
  const settings = element("details", {class: "kdgat-data"}, element("summary", {}, "Settings"));
  if (config) settings.append(element("pre", {}, JSON.stringify(JSON.parse(config), null, 1)));
  return element("div", {class: "kdgat-run"}, table, ...(config ? [settings] : []), trained.length ? curves(trained, {width}) : element("p", {}, "No training curve is kept of it."));
}
