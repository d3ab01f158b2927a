import {extent, group, polygonContains, quadtree, scaleLinear, scaleSequential, interpolateCividis} from "d3";
import {element, figure, message} from "./lib/figure.js";
import {remember} from "./lib/inputs.js";
import {scenarioLabel} from "./lib/registry.js";
import {benignFirst, number} from "./lib/rows.js";
import {categoryColor} from "./lib/theme.js";

/** What points may be coloured by. */
export const colourings = ["attack", "vehicle", "scenario", "score", "outcome"];

/** Rows of `graphs`, which are scored by the headline model at the first seed, with what became of each window. */
export function judged(rows, points) {
  const of = points.filter((point) => HEADLINE.includes(point.model));
  const model = (dataset) => HEADLINE.find((name) => of.some((point) => point.dataset === dataset && point.model === name));
  const seed = Math.min(...of.map((point) => point.seed));
  return outcomes(rows.map((row) => ({...row, model: model(row.dataset), seed})), points);
}
const HEADLINE = ["gat-student", "gat-alone-student"];

/** How many of the example windows were misjudged, in a sentence. `rows`: from `judged`. */
export function misjudged(rows) {
  const windows = [...new Map(rows.map((row) => [row.graph, row])).values()];
  const count = (outcome) => windows.filter((row) => row.outcome === outcome).length;
  const [missed, alarms] = [count("missed"), count("false alarm")];
  if (!windows.length) return message("This release holds no example windows.");
  if (!missed && !alarms) {
    const elsewhere = element("a", {href: "errors.html"}, "Errors and thresholds");
    return element("p", {}, `No misjudged window is among the ${windows.length} examples of this release; those nearest to it stand first. `, elsewhere, " lists all that were misjudged.");
  }
  const what = `${missed} attacked ${missed === 1 ? "window was" : "windows were"} missed and ${alarms} benign ${alarms === 1 ? "one gave a false alarm" : "ones gave false alarms"}`;
  return element("p", {}, `Of ${windows.length} example windows, ${what}: they stand first.`);
}

/** `rows` of `embeddings` with what became of each window at the model's zero-shot operating point. `points`: rows of `operating_points`. */
export function outcomes(rows, points) {
  const thresholds = new Map(points.filter((point) => point.protocol === "zero-shot").map((point) => [key(point), point.threshold]));
  return rows.map((row) => {
    const threshold = thresholds.get(key(row));
    const [attacked, called] = [row.attack !== "benign", row.score >= threshold];
    return {...row, threshold, outcome: threshold === undefined ? "unknown" : attacked ? (called ? "found" : "missed") : called ? "false alarm" : "benign"};
  });
}
const key = ({dataset, model, seed}) => `${dataset} ${model} ${seed}`;

const HINT = "Draw a loop around points to list their windows, or focus the drawing: arrows move a cross, Space sets a corner, Enter closes the loop.";
const STEP = {fine: 4, coarse: 20}; // px that an arrow key moves the cross, with and without Shift
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const CORNERS = 40; // of a loop in the address, in thousandths of the drawing

/** A loop as it stands in the address, `x.y-x.y-…`, and back; null where there is none or it cannot be read. */
export const written = (loop, width, height) =>
  loop
    .filter((_, i) => i % Math.ceil(loop.length / CORNERS) === 0)
    .map(([x, y]) => [x / width, y / height].map((share) => Math.round(1000 * Math.min(1, Math.max(0, share)))).join("."))
    .join("-");
export const loopOf = (text, width, height) =>
  /^\d{1,4}\.\d{1,4}(-\d{1,4}\.\d{1,4}){2,}$/.test(text ?? "")
    ? [...text.matchAll(/(\d+)\.(\d+)/g)].map(([, x, y]) => [(x * width) / 1000, (y * height) / 1000])
    : null;

/**
 * A scatter of window embeddings on a canvas; drawing a loop around points, by pointer or by keyboard, selects them, and the loop stands
 * in the address.
 * `rows`: rows of `embeddings`. The node's `value` is the array of selected rows; it dispatches `input` when that changes.
 */
export function embedding(rows, {width = 640, colour = "attack"} = {}) {
  if (!rows.length) return Object.assign(message("This release holds no embeddings for the selection."), {value: []});
  const height = Math.round(Math.min(width * 0.75, 560));
  const x = scaleLinear(extent(rows, (row) => row.x), [10, width - 10]);
  const y = scaleLinear(extent(rows, (row) => row.y), [height - 10, 10]);
  const names = colour === "score" ? [] : benignFirst(rows, colour);
  const sequence = scaleSequential([0, 1], interpolateCividis);
  const paint = colour === "score" ? (row) => sequence(row.score) : (row) => categoryColor(names.indexOf(row[colour]));
  const points = rows.map((row) => ({row, x: x(row.x), y: y(row.y), color: paint(row)}));
  const layers = group(points, (point) => point.color); // setting a colour costs more than a point

  const ratio = globalThis.devicePixelRatio ?? 1;
  const label = `${rows.length} windows in the plane of the embedding, coloured by ${colour}`;
  const canvas = element("canvas", {width: width * ratio, height: height * ratio, class: "kdgat-canvas", tabindex: 0, role: "application", "aria-label": `${label}. ${HINT}`});
  canvas.style.width = `${width}px`;
  const readout = element("p", {class: "kdgat-readout", role: "status"}, HINT);
  const node = figure(canvas, {label, rows});
  canvas.parentElement.removeAttribute("role"); // what can be drawn on is no image
  canvas.parentElement.removeAttribute("aria-label");
  node.prepend(legend(names, sequence, colour === "scenario" ? scenarioLabel : String));
  node.insertBefore(readout, node.lastChild);
  node.value = [];

  const tree = quadtree(points, (point) => point.x, (point) => point.y);
  let loop = [];
  let cross = null; // where the keyboard is, once it was used
  const draw = () => {
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const chosen = new Set(node.value);
    for (const [color, members] of layers) {
      context.fillStyle = color;
      for (const point of members) {
        context.globalAlpha = chosen.size && !chosen.has(point.row) ? 0.15 : 0.75;
        context.fillRect(point.x - 1.5, point.y - 1.5, 3, 3);
      }
    }
    context.globalAlpha = 1;
    context.strokeStyle = getComputedStyle(document.body).color;
    if (cross) {
      context.strokeRect(cross[0] - 4, cross[1] - 4, 8, 8);
      context.strokeRect(cross[0], cross[1], 0.5, 0.5);
    }
    if (loop.length > 1) {
      context.beginPath();
      loop.forEach(([px, py], i) => (i ? context.lineTo(px, py) : context.moveTo(px, py)));
      context.stroke();
    }
  };
  const choose = (around) => {
    node.value = around.length > 2 ? points.filter((point) => polygonContains(around, [point.x, point.y])).map((point) => point.row) : [];
    readout.textContent = node.value.length ? `${node.value.length} windows selected.` : HINT;
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    loop = [at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = at(event);
    if (loop.length) {
      loop.push(place);
      draw();
      return;
    }
    const near = tree.find(...place, 8);
    canvas.title = near ? described(near.row) : "";
  });
  const close = () => {
    remember("loop", loop.length > 2 ? written(loop, width, height) : "");
    choose(loop);
    loop = [];
    draw();
    node.dispatchEvent(new CustomEvent("input"));
  };
  canvas.addEventListener("pointerup", close);
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow && ![" ", "Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    cross ??= [width / 2, height / 2];
    if (arrow) {
      const step = event.shiftKey ? STEP.fine : STEP.coarse;
      cross = [[0, width], [1, height]].map(([i, most]) => Math.max(0, Math.min(most, cross[i] + step * arrow[i])));
      const near = tree.find(...cross, 8);
      readout.textContent = near ? described(near.row) : `${Math.round((100 * cross[0]) / width)} % from the left, ${Math.round((100 * cross[1]) / height)} % from the top.`;
      draw();
    } else if (event.key === " ") {
      loop.push(cross);
      readout.textContent = `Corner ${loop.length} set.`;
      draw();
    } else {
      if (event.key === "Escape") loop = [];
      close();
    }
  });
  choose(loopOf(new URLSearchParams(location.search).get("loop"), width, height) ?? []);
  draw();
  return node;
}

const described = (row) => `${row.vehicle}, ${row.attack}, ${row.capture}, window ${row.window}, score ${number(row.score)}`;

function legend(names, sequence, label) {
  const swatch = (color, text, id = text) => {
    const mark = element("span", {class: "kdgat-swatch"});
    mark.style.background = color;
    return element("span", {class: "kdgat-key", title: id}, mark, text);
  };
  const keys = names.length ? names.map((name, i) => swatch(categoryColor(i), label(name), name)) : [0, 0.5, 1].map((score) => swatch(sequence(score), `score ${score}`));
  return element("div", {class: "kdgat-legend"}, ...keys);
}
