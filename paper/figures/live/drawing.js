// Drawings that change many times a second, on canvas.
import {extent, max, scaleLinear, scaleLog, scaleSqrt} from "d3";
import {labelColor} from "../lib/theme.js";
import {hex} from "../lib/window.js";

const HIGHEST = 0x7ff; // of an 11-bit ID

/** Makes `canvas` width × height CSS pixels, sharp on any screen, and empty; its context with ink and font set. */
function clear(canvas, width, height) {
  const sharp = globalThis.devicePixelRatio ?? 1;
  Object.assign(canvas, {width: width * sharp, height: height * sharp});
  Object.assign(canvas.style, {width: `${width}px`, maxWidth: "100%"});
  const context = canvas.getContext("2d");
  const ink = getComputedStyle(document.body).color;
  context.scale(sharp, sharp);
  Object.assign(context, {fillStyle: ink, strokeStyle: ink, font: "11px system-ui, sans-serif", textBaseline: "middle"});
  return {context, ink};
}

/**
 * A window's graph on a ring: an ID's place is its number, so that a vehicle keeps its shape from window to window. Area: frames; orange:
 * injected ones among them. Lines: transitions.
 */
export function ring(canvas, {ids, counts, injected, source, target, transitions}, side) {
  const {context, ink} = clear(canvas, side, side);
  const centre = side / 2;
  const room = centre - 46;
  const place = ids.map((id) => {
    const angle = (2 * Math.PI * (id % (HIGHEST + 1))) / (HIGHEST + 1) - Math.PI / 2;
    return {x: centre + room * Math.cos(angle), y: centre + room * Math.sin(angle), angle};
  });
  const radius = scaleSqrt([0, Math.max(20, max(counts))], [0, 20]);
  const strongest = max(transitions);
  source.forEach((u, e) => {
    context.globalAlpha = 0.12 + 0.5 * (transitions[e] / strongest);
    context.lineWidth = 0.6 + 2.5 * (transitions[e] / strongest);
    context.beginPath();
    context.moveTo(place[u].x, place[u].y);
    context.quadraticCurveTo(centre, centre, place[target[e]].x, place[target[e]].y);
    context.stroke();
  });
  context.globalAlpha = 1;
  const drawn = [];
  ids.map((_, u) => u).sort((a, b) => injected[b] - injected[a] || counts[b] - counts[a]).forEach((u) => {
    const {x, y, angle} = place[u];
    context.fillStyle = labelColor(injected[u] > 0);
    context.beginPath();
    context.arc(x, y, radius(counts[u]), 0, 2 * Math.PI);
    context.fill();
    // a label only where no other is near: above and below the centre they stand in one line
    const clear = 0.08 + 0.09 * Math.abs(Math.sin(angle));
    if (drawn.some((other) => Math.abs(Math.atan2(Math.sin(angle - other), Math.cos(angle - other))) < clear)) return;
    drawn.push(angle);
    context.fillStyle = ink;
    context.textAlign = Math.cos(angle) < 0 ? "right" : "left";
    const out = radius(counts[u]) + 4;
    context.fillText(hex(ids[u]), x + out * Math.cos(angle), y + out * Math.sin(angle));
  });
}

const LANE = {height: 104, top: 22, left: 44, right: 8};
const LEAST_SPAN = 4; // s

/** The lanes of `strip`: the student's score, and by how many times too early the rule's worst frame comes. `thresholds`: {student, rule}. */
export const lanes = (thresholds) => [
  {name: "student: score", value: (row) => row.score, called: (row) => row.called, threshold: thresholds.student, scale: () => scaleLinear(), ticks: [0, 0.5, 1]},
  {
    name: "timing rule: usual gap ÷ shortest gap", value: (row) => odds(row["rule's score"]), called: (row) => row["called by the rule"],
    threshold: thresholds.rule === undefined ? undefined : odds(thresholds.rule), scale: () => scaleLog().domain([0.1, 10_000]).clamp(true), ticks: [1, 100, 10_000]
  }
];
const odds = (score) => score / Math.max(1 - score, 1e-9);

/**
 * Scores of windows over time (s), one lane per detector, all on the same axis: one dot per window (a square if attacked), the threshold dashed, a tick
 * below an alarm. `lanes`: `{name, value, called, threshold, scale, ticks}`.
 */
export function strip(canvas, history, {lanes, width}) {
  const height = lanes.length * (LANE.top + LANE.height) + 18;
  const {context, ink} = clear(canvas, width, height);
  const [first = 0, last = LEAST_SPAN] = extent(history, ({begin}) => begin);
  const x = scaleLinear([Math.min(first, last - LEAST_SPAN), last], [LANE.left, width - LANE.right]);
  lanes.forEach(({name, value, called, threshold, scale, ticks}, lane) => {
    const top = lane * (LANE.top + LANE.height) + LANE.top;
    const y = scale().range([top + LANE.height - 14, top + 4]);
    context.textAlign = "left";
    context.fillText(name, LANE.left, top - 12);
    context.textAlign = "right";
    for (const tick of ticks) {
      context.fillText(tick.toLocaleString("en"), LANE.left - 6, y(tick));
      context.globalAlpha = 0.15;
      context.fillRect(LANE.left, y(tick), width - LANE.left - LANE.right, 1);
      context.globalAlpha = 1;
    }
    if (threshold !== undefined) {
      context.setLineDash([5, 4]);
      context.beginPath();
      context.moveTo(LANE.left, y(threshold));
      context.lineTo(width - LANE.right, y(threshold));
      context.stroke();
      context.setLineDash([]);
    }
    for (const row of history) {
      const attacked = !["benign", "not labelled"].includes(row.traffic);
      context.fillStyle = labelColor(attacked);
      if (attacked) context.fillRect(x(row.begin) - 3, y(value(row)) - 3, 6, 6);
      else {
        context.beginPath();
        context.arc(x(row.begin), y(value(row)), 2.5, 0, 2 * Math.PI);
        context.fill();
      }
      context.fillStyle = ink;
      if (called(row) === "attack") context.fillRect(x(row.begin) - 1, top + LANE.height - 8, 2, 7);
    }
  });
  context.textAlign = "center";
  for (const tick of x.ticks(Math.max(2, Math.floor(width / 110)))) context.fillText(`${tick} s`, Math.min(x(tick), width - 16), height - 8);
}
