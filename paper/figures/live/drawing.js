// Drawings that change many times a second, on canvas.
import {extent, max, scaleLinear, scaleSqrt} from "d3";
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
    // a label only where no other is near
    if (drawn.some((other) => Math.abs(Math.atan2(Math.sin(angle - other), Math.cos(angle - other))) < 0.07)) return;
    drawn.push(angle);
    context.fillStyle = ink;
    context.textAlign = Math.cos(angle) < 0 ? "right" : "left";
    const out = radius(counts[u]) + 4;
    context.fillText(hex(ids[u]), x + out * Math.cos(angle), y + out * Math.sin(angle));
  });
}

/** Scores of the last windows, the newest on the right: a dot a window (a square if attacked), the threshold dashed. */
export function strip(canvas, history, {threshold, width, shown}) {
  const height = 150;
  const {context, ink} = clear(canvas, width, height);
  const [last = 0] = extent(history.slice(-1), ({window}) => window);
  const x = scaleLinear([last - shown, last], [34, width - 8]);
  const y = scaleLinear([0, 1], [height - 18, 10]);
  for (const tick of [0, 0.5, 1]) {
    context.fillText(tick.toFixed(1), 8, y(tick));
    context.globalAlpha = 0.15;
    context.fillRect(34, y(tick), width - 42, 1);
    context.globalAlpha = 1;
  }
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(34, y(threshold));
  context.lineTo(width - 8, y(threshold));
  context.stroke();
  context.setLineDash([]);
  for (const {window, score, traffic, called} of history) {
    const attacked = traffic !== "benign";
    context.fillStyle = labelColor(attacked);
    if (attacked) context.fillRect(x(window) - 3, y(score) - 3, 6, 6);
    else {
      context.beginPath();
      context.arc(x(window), y(score), 2.5, 0, 2 * Math.PI);
      context.fill();
    }
    context.fillStyle = ink;
    if (called === "attack") context.fillRect(x(window) - 1, height - 8, 2, 7);
  }
}
