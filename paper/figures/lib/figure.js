// The frame around every chart: what a screen reader says, the data behind it, and what to say when there is none.
import {told} from "./problems.js";
import {number} from "./rows.js";

const MAX_ROWS = 500;

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
  return element("div", {class: "kdgat-beside"}, ...draws.map((draw) => draw(Math.floor((width - 16 * (columns - 1)) / columns))));
}

/**
 * The first rows as an HTML table; says how many were left out. The first cell of a row is a link where `link(row)` is given, and a number
 * whose key `keys` tells opens its trace.
 */
export function dataTable(rows, columns, label, {link, keys = {}} = {}) {
  const head = element("tr", {}, ...columns.map((column) => element("th", {scope: "col"}, column)));
  const body = rows.slice(0, MAX_ROWS).map((row) =>
    element("tr", {}, ...columns.map((column, i) => {
      const text = number(row[column]);
      const key = keys[column]?.(row);
      if (key) return element("td", {}, element("span", {class: "num", "data-key": key, role: "button", "aria-haspopup": "dialog", tabindex: "0"}, text));
      return element("td", {}, link && i === 0 ? element("a", {href: link(row)}, text) : text);
    }))
  );
  const caption = rows.length > MAX_ROWS ? `${label} (first ${MAX_ROWS} of ${rows.length} rows)` : label;
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", {class: "kdgat-scroll", tabindex: "0", role: "region", "aria-label": `Data: ${label}`}, table);
}

/** Rows as a table of their own, or the sentence `none` where there are none. */
export const list = (rows, {label, columns = rows.length ? Object.keys(rows[0]) : [], none = `${label}: none.`}) =>
  rows.length ? dataTable(rows, columns, label) : message(none);
