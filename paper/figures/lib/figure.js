// The frame around every chart: what a screen reader says, the data behind it, and what to say when there is none.
import {ascending, descending, sort} from "d3";
import {told} from "./problems.js";
import {number} from "./rows.js";

const MAX_ROWS = 500;
const FEW_ROWS = 10; // that need no filter

/** Element `tag` with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A sentence about something that failed, in its place. */
export const failure = (text) => element("p", {class: "kdgat-empty kdgat-error", role: "alert"}, text);

/** A sentence in place of a chart: `text`, or what of the release could not be read if that may be why there is none. */
export const message = (text) => (told() ? failure(told()) : element("p", {class: "kdgat-empty", role: "status"}, text));

/**
 * `chart` as one image with the description `label`, followed by a table of `rows` (made when it is opened).
 * Without rows: a sentence instead. `link(row)`: where a row of the table leads; `keys`: column → `(row) → key` of the number in it, if it has one.
 */
export function figure(chart, {label, rows, columns = rows.length ? Object.keys(rows[0]) : [], link, keys}) {
  for (const svg of chart.matches("svg") ? [chart] : chart.querySelectorAll("svg")) svg.setAttribute("aria-hidden", "true");
  const picture = element("div", {class: "kdgat-chart", role: "img", "aria-label": label}, chart);
  const details = element("details", {class: "kdgat-data"}, element("summary", {}, "Data table"));
  details.addEventListener("toggle", () => details.append(dataTable(rows, columns, label, {link, keys})), {once: true});
  return element("div", {class: "kdgat-figure"}, picture, details);
}

/** What each of `draws`, `(width) → Node`, makes: side by side where the page is wide enough, else one below the other. */
export function beside(width, ...draws) {
  const columns = width < 720 ? 1 : draws.length;
  const share = Math.floor((width - 16 * (columns - 1)) / columns);
  const nodes = draws.map((draw) => draw(share));
  for (const node of nodes) node.style.width = `${share}px`; // whatever else stands in it wraps
  return element("div", {class: "kdgat-beside"}, ...nodes);
}

/**
 * Rows as an HTML table that sorts by its heads unless told not to and, where there are many, can be filtered, copied and downloaded; the first ones are shown, and
 * the caption says of how many. The first cell of a row is a link where `link(row)` gives one, and a number whose key `keys` tells opens its trace.
 */
export function dataTable(rows, columns, label, {link, keys = {}, sorts = true, tools = rows.length > FEW_ROWS} = {}) {
  const body = element("tbody");
  const caption = element("caption");
  let kept = rows;
  const fill = () => {
    body.replaceChildren(...kept.slice(0, MAX_ROWS).map((row) => element("tr", {}, ...columns.map((column, i) => cell(row, column, i === 0 && link, keys[column])))));
    caption.textContent = kept.length > MAX_ROWS || kept.length < rows.length ? `${label} (${kept.length > MAX_ROWS ? `first ${MAX_ROWS} of ` : ""}${kept.length} rows)` : label;
  };
  const heads = columns.map((column) => element("th", {scope: "col"}, sorts ? element("button", {type: "button", class: "kdgat-sort"}, column) : column));
  const search = element("input", {type: "search", placeholder: "filter", "aria-label": `Filter the rows of: ${label}`});
  const arrange = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    kept = rows.filter((row) => words.every((word) => columns.some((column) => number(row[column]).toLowerCase().includes(word))));
    const at = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    if (at >= 0) {
      const compare = heads[at].getAttribute("aria-sort") === "ascending" ? ascending : descending;
      kept = sort(kept, (a, b) => (a[columns[at]] == null) - (b[columns[at]] == null) || compare(a[columns[at]], b[columns[at]]));
    }
    fill();
  };
  for (const head of sorts ? heads : [])
    head.firstChild.addEventListener("click", () => {
      const next = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", next);
      arrange();
    });
  search.addEventListener("input", arrange);
  fill();
  const table = element("table", {}, caption, element("thead", {}, element("tr", {}, ...heads)), body);
  const scroll = element("div", {class: "kdgat-scroll", tabindex: "0", role: "region", "aria-label": `Data: ${label}`}, table);
  if (!tools) return scroll;
  const copy = element("button", {type: "button", class: "kdgat-copy"}, "copy");
  copy.addEventListener("click", () => navigator.clipboard.writeText(separated(kept, columns, "\t")).then(() => (copy.textContent = "copied")));
  const csv = element("button", {type: "button", class: "kdgat-copy"}, "download CSV");
  csv.addEventListener("click", () => save(new Blob([separated(kept, columns, ",")], {type: "text/csv"}), `${label.replace(/[^\w-]+/g, "-")}.csv`));
  return element("div", {class: "kdgat-table"}, element("div", {class: "kdgat-row"}, search, copy, csv), scroll);
}

/** Hands the reader a file. */
export function save(blob, name) {
  const href = URL.createObjectURL(blob);
  element("a", {href, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

/** Rows as text with a line each, values as they are. */
export function separated(rows, columns, by) {
  const quoted = (value) => (/["\n\t,]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (values) => values.map((value) => quoted(String(value ?? ""))).join(by);
  return [line(columns), ...rows.map((row) => line(columns.map((column) => row[column])))].join("\n");
}

function cell(row, column, link, keyOf) {
  const text = number(row[column]);
  const key = keyOf?.(row);
  if (key) return element("td", {}, element("span", {class: "num", "data-key": key, role: "button", "aria-haspopup": "dialog", tabindex: "0"}, text));
  const href = link && link(row);
  return element("td", {}, href ? element("a", {href}, text) : text);
}

/** Rows as a table of their own, or the sentence `none` where there are none. */
export const list = (rows, {label, columns = rows.length ? Object.keys(rows[0]) : [], none = `${label}: none.`}) =>
  rows.length ? dataTable(rows, columns, label) : message(none);
