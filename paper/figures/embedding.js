import {extent, polygonContains, quadtree, scaleLinear, scaleSequential, interpolateCividis} from "d3";
import {element, figure, message} from "./lib/figure.js";
import {remember} from "./lib/inputs.js";
import {benignFirst, number} from "./lib/rows.js";
import {categoryColor} from "./lib/theme.js";

/** What points may be coloured by. */
export const colourings = ["attack", "vehicle", "scenario", "score", "outcome"];

/** `rows` of `embeddings` with what became of each window at the model's zero-shot operating point. `points`: rows of `operating_points`. */
export function outcomes(rows, points) {
  const thresholds = new Map(points.filter((point) => point.protocol === "zero-shot").map((point) => [key(point), point.threshold]));
  return rows.map((row) => {
    const threshold = thresholds.get(key(row));
    const [attacked, called] = [row.attack !== "benign", row.score >= threshold];
    return {...row, outcome: threshold === undefined ? "unknown" : attacked ? (called ? "found" : "missed") : called ? "false alarm" : "benign"};
  });
}
const key = ({dataset, model, seed}) => `${dataset} ${model} ${seed}`;

const HINT = "Draw a loop around points to list their windows.";
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
 * A scatter of window embeddings on a canvas; drawing a loop around points selects them, and the loop stands in the address.
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

  const ratio = globalThis.devicePixelRatio ?? 1;
  const canvas = element("canvas", {width: width * ratio, height: height * ratio, class: "kdgat-canvas"});
  canvas.style.width = `${width}px`;
  const readout = element("p", {class: "kdgat-readout", role: "status"}, HINT);
  const node = figure(canvas, {label: `${rows.length} windows in the plane of the embedding, coloured by ${colour}`, rows});
  node.prepend(legend(names, sequence));
  node.insertBefore(readout, node.lastChild);
  node.value = [];

  const tree = quadtree(points, (point) => point.x, (point) => point.y);
  let loop = [];
  const draw = () => {
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const chosen = new Set(node.value);
    context.globalAlpha = 0.75;
    for (const point of points) {
      if (chosen.size && !chosen.has(point.row)) context.globalAlpha = 0.15;
      else context.globalAlpha = 0.75;
      context.fillStyle = point.color;
      context.fillRect(point.x - 1.5, point.y - 1.5, 3, 3);
    }
    if (loop.length > 1) {
      context.globalAlpha = 1;
      context.strokeStyle = getComputedStyle(canvas).color;
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
    canvas.title = near ? `${near.row.vehicle}, ${near.row.attack}, ${near.row.capture}, window ${near.row.window}, score ${number(near.row.score)}` : "";
  });
  canvas.addEventListener("pointerup", () => {
    remember("loop", loop.length > 2 ? written(loop, width, height) : "");
    choose(loop);
    loop = [];
    draw();
    node.dispatchEvent(new CustomEvent("input"));
  });
  choose(loopOf(new URLSearchParams(location.search).get("loop"), width, height) ?? []);
  draw();
  return node;
}

function legend(names, sequence) {
  const swatch = (color, text) => {
    const mark = element("span", {class: "kdgat-swatch"});
    mark.style.background = color;
    return element("span", {class: "kdgat-key"}, mark, text);
  };
  const keys = names.length ? names.map((name, i) => swatch(categoryColor(i), name)) : [0, 0.5, 1].map((score) => swatch(sequence(score), `score ${score}`));
  return element("div", {class: "kdgat-legend"}, ...keys);
}
