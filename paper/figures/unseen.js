import {create, groups, max, scaleLinear, scaleSqrt} from "d3";
import {element, message} from "./lib/figure.js";
import {kindsOf, modelLabel} from "./lib/registry.js";
import {distinct, number} from "./lib/rows.js";
import {confusionAt, scores} from "./lib/scores.js";
import {labelColor} from "./lib/theme.js";

/** What is compared on a car that nobody trained on: of each kind, the first model that the release scored. */
export const kinds = kindsOf("fig-unseen");

/** Of `names`, one of each kind and `model`. */
export function compared(names, model) {
  const first = [...kinds.values()].map((models) => models.find((one) => names.includes(one)));
  return names.filter((name) => name === model || first.includes(name));
}

/**
 * Window scores of the scenario of the dataset `main` that is hardest, an unknown vehicle under unknown attacks, where no traffic of the
 * vehicle was used: `{rows, points}`, rows of `predictions` and of `operating_points` of one seed. Empty where the release has none.
 */
export async function unknownCar(release, main = document.querySelector("meta[name=kdgat-main-dataset]")?.content) {
  const groups = (await release.groups("predictions", ["dataset", "scenario", "seed"])).filter((row) => row.dataset === main && row.scenario.includes("test"));
  if (!groups.length) return {rows: [], points: []};
  const scenario = distinct(groups, "scenario").at(-1);
  const seed = Math.min(...groups.filter((row) => row.scenario === scenario).map((row) => row.seed));
  const place = {dataset: main, protocol: "zero-shot", seed};
  const columns = ["capture", "window", "t0", "duration", "injected", ...[...kinds.values()].flat()];
  const [rows, points] = await Promise.all([release.rows("predictions", {...place, scenario}, columns), release.table("operating_points")]);
  return {rows, points: points.filter((row) => Object.entries(place).every(([name, value]) => row[name] === value))};
}

/**
 * A line a kind of detector: the scores of attacked windows upwards, of benign ones downwards, and a threshold to drag, first where the
 * detector was used, with what it makes of the windows. `rows`, `points`: from `unknownCar`.
 */
export function unseen({rows, points}, {width = 640} = {}) {
  const shown = [...kinds]
    .map(([kind, models]) => ({kind, model: models.find((model) => rows.some((row) => row[model] != null))}));
  const there = shown.filter(({model}) => model);
  if (!there.length) return message("This release holds no window scores of an unknown car.");
  const node = lines(rows, points, {models: there.map(({model}) => model), width});
  const missing = shown.filter(({model}) => !model).map(({kind}) => kind);
  if (missing.length) node.append(element("p", {class: "kdgat-readout"}, `Without scores in this release: ${missing.join(", ")}.`));
  return node;
}

/** A line a model, of `models`: `rows` of `predictions` of one seed, `points` of `operating_points`. */
export function lines(rows, points, {models, width = 640} = {}) {
  const there = models.filter((model) => rows.some((row) => row[model] != null));
  if (!there.length) return message("No model with scores was selected.");
  const drawn = there.map((model) => line(scores(rows, model), points.find((row) => row.model === model), width));
  return element("div", {class: "kdgat-figure kdgat-unseen"}, legend(), ...drawn);
}

const legend = () =>
  element("p", {class: "kdgat-legend"}, key(true, "attacked windows"), key(false, "benign windows"), element("span", {}, "Drag a line: what lies right of it is called an attack."));

function key(attacked, text) {
  const swatch = element("span", {class: "kdgat-swatch"});
  swatch.style.background = labelColor(attacked);
  return element("span", {}, swatch, text);
}

const HEIGHT = 46; // of a picture, as in site.css
const STEPS = 500; // of a slider
const FACTS = {
  F1: (at) => (at.f1 === null ? number(null) : at.f1.toFixed(3)),
  "false alarms an hour": (at) => at.falseAlarmsPerHour?.toLocaleString("en", {maximumSignificantDigits: 2}) ?? number(null),
  missed: (at) => `${at.fn} of ${at.tp + at.fn}`
};

/** One detector: name, scores, slider, facts. */
function line(prepared, point, width) {
  const label = modelLabel(prepared.model);
  const wide = width < 620 ? width : width - 310;
  const low = Math.min(prepared.low, point ? point.threshold : prepared.low);
  const high = Math.max(prepared.high, point ? point.threshold : prepared.high);
  const slider = element("input", {type: "range", min: 0, max: STEPS, step: "any", "aria-label": `threshold of ${label}`});
  const stage = element("div", {class: "kdgat-stage"}, picture(prepared, [low, high], wide), slider);
  const facts = Object.keys(FACTS).map((name) => element("div", {}, element("dt", {}, name), element("dd")));
  const node = element("section", {class: "kdgat-line", "aria-label": label}, element("p", {class: "kdgat-name"}, label), stage, element("dl", {class: "kdgat-facts"}, ...facts));
  stage.style.width = `${wide}px`;
  const show = () => {
    const at = confusionAt(prepared, low + (slider.value / STEPS) * (high - low));
    const texts = Object.values(FACTS).map((of) => of(at));
    texts.forEach((text, i) => (facts[i].lastChild.textContent = text));
    slider.setAttribute("aria-valuetext", Object.keys(FACTS).map((name, i) => `${name} ${texts[i]}`).join(", "));
  };
  slider.value = point ? (STEPS * (point.threshold - low)) / (high - low || 1) : STEPS / 2;
  slider.addEventListener("input", show);
  show();
  return node;
}

/** Both classes by score, one above and one below the line, each as high as its fullest bin. */
function picture({bins}, domain, width) {
  const x = scaleLinear(domain, [0, width]);
  const tall = new Map(groups(bins, (bin) => bin.label).map(([label, of]) => [label, scaleSqrt([0, max(of, (bin) => bin.share) || 1], [0, HEIGHT / 2 - 1])]));
  const height = (bin) => tall.get(bin.label)(bin.share);
  const svg = create("svg").attr("viewBox", [0, 0, width, HEIGHT]).attr("width", width).attr("height", HEIGHT).attr("aria-hidden", "true");
  svg
    .selectAll("rect")
    .data(bins.filter((bin) => bin.windows))
    .join("rect")
    .attr("x", (bin) => x(bin.x0))
    .attr("width", (bin) => Math.max(1.5, x(bin.x1) - x(bin.x0) - 0.5))
    .attr("y", (bin) => HEIGHT / 2 - (bin.label === "attacked" ? height(bin) : 0))
    .attr("height", height)
    .attr("fill", (bin) => labelColor(bin.label === "attacked"));
  svg.append("line").attr("x2", width).attr("y1", HEIGHT / 2).attr("y2", HEIGHT / 2).attr("stroke", "currentColor").attr("stroke-opacity", 0.4);
  return svg.node();
}
