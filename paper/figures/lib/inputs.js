// Inputs whose value stands in the address (`?name=value`), so that every view of a page can be linked.
import * as Inputs from "@observablehq/inputs";
import {element} from "./figure.js";
import {scenarioLabel} from "./registry.js";

/** Writes `name=text` into the address; an empty text takes it out. A `step` is one that Back takes back. */
export function remember(name, text, step = false) {
  const query = new URLSearchParams(location.search);
  if ((query.get(name) ?? "") === text) return;
  if (text) query.set(name, text);
  else query.delete(name);
  history[step ? "pushState" : "replaceState"](history.state, "", `?${query}${location.hash}`);
}

/**
 * Calls `update` with the value of `input` now and whenever it changes, until `node`, which shows it, has left the page: what moves is
 * moved, and nothing is drawn anew.
 */
export function follow(input, node, update) {
  let shown = false;
  const heard = () => {
    shown ||= node.isConnected;
    if (shown && !node.isConnected) return input.removeEventListener("input", heard);
    update(input.value);
  };
  input.addEventListener("input", heard);
  update(input.value);
}

/**
 * Writes the value of `input` into the address whenever it changes. With `read`, which gives the value for a text of the address (null: none),
 * each change is a step that Back takes back.
 */
function linked(input, name, key = String, read = null) {
  let restoring = false;
  input.addEventListener("input", () => restoring || remember(name, key(input.value), Boolean(read)));
  if (!read) return input;
  const back = () => {
    if (!input.isConnected) return removeEventListener("popstate", back);
    const value = read(new URLSearchParams(location.search).get(name));
    if (key(value) === key(input.value)) return;
    restoring = true;
    input.value = value;
    input.dispatchEvent(new CustomEvent("input", {bubbles: true}));
    restoring = false;
  };
  addEventListener("popstate", back);
  return input;
}

/** A drop-down of `values`; `value` is chosen first if it is among them. `key` writes a value in the address, `format` for the reader. */
export function select(name, values, {label = name, value, key = String, format = key} = {}) {
  const read = (text) => values.find((candidate) => key(candidate) === text) ?? (values.includes(value) ? value : values[0]);
  const input = Inputs.select(values, {label, value: read(new URLSearchParams(location.search).get(name)), format});
  input.querySelectorAll("option").forEach((option, i) => format(values[i]) === key(values[i]) || (option.title = key(values[i])));
  return linked(input, name, key, read);
}

/** Check boxes of `values`, at first those of `value` checked, or all. Many are folded away: a figure comes before what it leaves out. */
export function checkbox(name, values, {label = name, value = values, format = String} = {}) {
  const read = (text) => (text === null ? value : values.filter((one) => text.split(",").includes(one)));
  const input = Inputs.checkbox(values, {label, value: read(new URLSearchParams(location.search).get(name)), format});
  input.querySelectorAll("div label").forEach((box, i) => format(values[i]) === values[i] || (box.title = values[i]));
  if (values.length > FEW) fold(input, values.length);
  return linked(input, name, (value) => value.join(","), read);
}
const FEW = 12; // boxes that stand open

/** Puts the boxes of `input` into a fold that says how many of `all` are checked. */
function fold(input, all) {
  const boxes = input.querySelector("div");
  const summary = element("summary");
  const count = () => (summary.textContent = input.value.length === all ? `all ${all}` : `${input.value.length} of ${all}`);
  const folded = element("details", {}, summary);
  boxes.replaceWith(folded);
  folded.append(boxes);
  input.addEventListener("input", count);
  count();
}

/** A slider over `[low, high]`. */
export function range(name, [low, high], {label = name, step, value, format = (x) => x} = {}) {
  const text = new URLSearchParams(location.search).get(name);
  const asked = text === null ? NaN : Number(text);
  const input = Inputs.range([low, high], {label, step, format, value: asked >= low && asked <= high ? asked : value});
  input.querySelector("[type=range]").setAttribute("aria-label", label); // the label belongs to the number beside it
  return linked(input, name);
}

/**
 * A span of counts within `[low, high]`: two fields and a button that asks for all of it. The value is `[from, to]`; setting it and
 * dispatching `input`, as a figure's brush does, moves the fields and the address.
 */
export function span(name, [low, high], {label = name} = {}) {
  const within = (text, otherwise) => (/^\d+$/.test(text ?? "") && Number(text) >= low && Number(text) <= high ? Number(text) : otherwise);
  const [first, last] = (new URLSearchParams(location.search).get(name) ?? "").split("-");
  const ends = ["from", "to"].map((end) => element("input", {type: "number", min: low, max: high, step: 1, "aria-label": `${label}, ${end}`}));
  const all = element("button", {type: "button"}, "all");
  const node = element("form", {class: "inputs-span"}, element("span", {class: "kdgat-label"}, label), element("div", {}, ends[0], "to", ends[1], all));
  node.value = [within(first, low), within(last, high)];
  const show = () => node.value.forEach((value, i) => (ends[i].value = value));
  const ask = (value) => {
    node.value = value;
    node.dispatchEvent(new CustomEvent("input"));
  };
  node.addEventListener("submit", (event) => event.preventDefault());
  for (const end of ends) {
    end.addEventListener("input", (event) => event.stopPropagation()); // not while it is typed
    end.addEventListener("change", () => ask([within(ends[0].value, low), within(ends[1].value, high)].sort((a, b) => a - b)));
  }
  all.addEventListener("click", () => ask([low, high]));
  node.addEventListener("input", show);
  show();
  return linked(node, name, (value) => value.join("-"));
}

/**
 * A slider over the scores of `prepared` (from `scores`), at the model's own operating point until it is moved. The address is asked
 * only once: another model begins at its own operating point again.
 */
export function threshold(name, prepared, points) {
  const point = points.find((row) => row.model === prepared.model);
  const value = point ? point.threshold : (prepared.low + prepared.high) / 2;
  if (asked.has(name)) remember(name, "");
  asked.add(name);
  const [low, high] = [Math.min(prepared.low, value), Math.max(prepared.high, value)];
  return range(name, [low, high > low ? high : low + 1], {value, format: (x) => Number(x.toPrecision(4))}); // without steps: one would move the operating point
}
const asked = new Set();

/**
 * A drop-down of the example windows in `rows` (rows of `graphs`, with their `outcome` where operating points tell it): those that were misjudged
 * first, then those nearest to it. The first attacked (or benign) one is chosen; its value is the window's number.
 */
export function selectWindow(name, rows, {label = "window", attacked = true} = {}) {
  const first = new Map();
  for (const row of rows) if (!first.has(row.graph)) first.set(row.graph, row);
  const format = (graph) => {
    const {outcome, vehicle, attack, scenario, window} = first.get(graph);
    return `${outcome && !["benign", "unknown"].includes(outcome) ? `${outcome}: ` : ""}${vehicle}, ${attack} (${scenarioLabel(scenario)}), window ${window}`;
  };
  const wrong = (row) => row.outcome === "missed" || row.outcome === "false alarm";
  const doubt = (row) => (row.attack === "benign" ? 1 - row.score : row.score);
  const sorted = [...first.values()].sort((a, b) => wrong(b) - wrong(a) || doubt(a) - doubt(b) || a.graph - b.graph);
  const wanted = sorted.find((row) => (row.attack !== "benign") === attacked);
  const graphs = sorted.map((row) => row.graph);
  const input = select(name, graphs, {label, value: wanted && wanted.graph, format});
  const step = (text, by) => {
    const button = element("button", {type: "button", "aria-label": `${by < 0 ? "previous" : "next"} ${label}`}, text);
    button.addEventListener("click", () => {
      const choice = input.querySelector("select");
      choice.selectedIndex = (choice.selectedIndex + by + graphs.length) % graphs.length;
      input.dispatchEvent(new CustomEvent("input", {bubbles: true}));
    });
    return button;
  };
  if (graphs.length > 1) input.append(element("div", {}, step("←", -1), step("→", 1)));
  return input;
}

/**
 * What arrows show: how frequent a transition is, or the attention of one layer and head. The value, `{layer, head}`, selects rows of
 * `attention`; no row has layer −1.
 */
export function selectAttention(name, rows, {label = "arrows show"} = {}) {
  const heads = new Map(rows.map(({layer, head}) => [`${layer}.${head}`, {layer, head}]));
  const values = [{layer: -1, head: -1}, ...[...heads.keys()].sort().map((key) => heads.get(key))];
  const format = ({layer, head}) => (layer < 0 ? "transitions" : `attention, layer ${layer}, head ${head}`);
  return select(name, values, {label, key: ({layer, head}) => (layer < 0 ? "count" : `${layer}.${head}`), format});
}
