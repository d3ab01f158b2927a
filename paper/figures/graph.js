import {create, extent, forceCenter, forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY, max, scaleLinear, scaleSqrt} from "d3";
import {element, figure, message} from "./lib/figure.js";
import {scenarioLabel} from "./lib/registry.js";
import {number} from "./lib/rows.js";
import {labelColor} from "./lib/theme.js";
import {hex, toGraph} from "./lib/window.js";

/**
 * One window as a directed graph: one circle per CAN ID (area: frames; orange: injected frames among them), one arrow per transition
 * (width: how often, or the model's attention where `attention` rows of one layer and head are given).
 * The layout starts from fixed places and runs a fixed number of steps: the same window always looks the same.
 */
export function windowGraph(rows, {width = 640, attention = []} = {}) {
  if (!rows.length) return message("No window was selected.");
  const {nodes, edges} = toGraph(rows);
  const table = edges.map((edge) => ({source: hex(edge.source), target: hex(edge.target), count: edge.count}));
  const weights = new Map(attention.map((row) => [`${row.source}>${row.target}`, row.weight]));
  const height = Math.min(width, 480);
  const radius = scaleSqrt([0, max(nodes, (node) => node.count)], [0, width < 520 ? 20 : 26]);
  const labelled = (node) => radius(node.count) >= 13; // inside its circle; else beneath it
  const around = (node) => radius(node.count) + (labelled(node) ? 3 : 9);
  for (const edge of edges) edge.weight = weights.get(`${edge.source}>${edge.target}`) ?? edge.count / max(edges, (e) => e.count);

  forceSimulation(nodes)
    .force("link", forceLink(edges).id((node) => node.id).distance(70).strength(0.08))
    .force("charge", forceManyBody().strength(-190))
    .force("collide", forceCollide(around))
    .force("center", forceCenter(width / 2, height / 2))
    .force("x", forceX(width / 2).strength(0.09))
    .force("y", forceY(height / 2).strength(0.12))
    .stop()
    .tick(250);
  // stretch the settled layout over the drawing, leaving room for circles and labels
  const room = radius.range()[1] + 14;
  const fit = (axis, size) => {
    const scale = scaleLinear(extent(nodes, (node) => node[axis]), [room, size - room]);
    if (nodes.length > 1) for (const node of nodes) node[axis] = scale(node[axis]);
  };
  fit("x", width);
  fit("y", height);
  // what the stretching moved together moves apart again, within the drawing
  const apart = forceSimulation(nodes).force("collide", forceCollide(around)).stop();
  for (let i = 0; i < 120; i += 1) {
    apart.tick();
    for (const node of nodes) {
      node.x = Math.min(width - room, Math.max(room, node.x));
      node.y = Math.min(height - room, Math.max(room, node.y));
    }
  }

  const svg = create("svg").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height).attr("class", "kdgat-graph");
  svg
    .append("g")
    .attr("fill", "none")
    .attr("stroke", "currentColor")
    .selectAll("path")
    .data(edges.filter((edge) => edge.source !== edge.target))
    .join("path")
    .attr("d", (edge) => arc(edge, radius))
    .attr("stroke-opacity", (edge) => 0.15 + 0.6 * edge.weight)
    .attr("stroke-width", (edge) => 0.6 + 3.4 * edge.weight)
    .append("title")
    .text((edge) => `${hex(edge.source.id)} → ${hex(edge.target.id)}: ${edge.count} of ${rows.length - 1} transitions`);
  const node = svg
    .append("g")
    .selectAll("g")
    .data(nodes)
    .join("g")
    .attr("transform", (d) => `translate(${d.x},${d.y})`);
  node
    .append("circle")
    .attr("r", (d) => radius(d.count))
    .attr("fill", (d) => labelColor(d.injected > 0))
    .attr("stroke", "var(--kdgat-paper, #fff)")
    .attr("stroke-width", 1.5);
  node
    .append("text")
    .attr("text-anchor", "middle")
    .attr("dy", (d) => (labelled(d) ? "0.35em" : radius(d.count) + 10))
    .attr("fill", (d) => (labelled(d) ? "#fff" : "currentColor"))
    .attr("font-size", 10)
    .text((d) => hex(d.id));
  node.append("title").text((d) => `ID ${hex(d.id)}: ${d.count} frames, ${d.injected} injected`);

  const [first] = rows;
  const {vehicle, attack, score} = first;
  const label = `Window of ${rows.length} frames, ${vehicle}, ${attack}: ${nodes.length} IDs, ${edges.length} transitions, attack score ${score.toFixed(3)}`;
  const whole = figure(svg.node(), {label, rows: table});
  whole.prepend(verdict(first));
  return whole;
}

const VERDICTS = {
  found: "called an attack, as it was",
  missed: "called benign: an attack missed",
  "false alarm": "called an attack: a false alarm",
  benign: "called benign, as it was"
};

/** Which window it is, its score, and where operating points tell, the threshold and what became of it. */
function verdict({vehicle, attack, scenario, window, score, threshold, outcome}) {
  const facts = {score: number(score), ...(outcome in VERDICTS ? {threshold: number(threshold), verdict: VERDICTS[outcome]} : {})};
  const list = element("dl", {class: "kdgat-facts"}, ...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  const node = element("div", {class: "kdgat-verdict"}, element("p", {title: scenario}, `${vehicle}, ${attack} (${scenarioLabel(scenario)}), window ${window}`), list);
  if (outcome === "missed" || outcome === "false alarm") node.dataset.wrong = "true";
  return node;
}

/** A slightly bent arrow from the rim of one circle to the rim of the other. */
function arc({source, target}, radius) {
  const dx = target.x - source.x;
  const dy = target.y - source.y;
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const [x1, y1] = [source.x + ux * radius(source.count), source.y + uy * radius(source.count)];
  const [x2, y2] = [target.x - ux * (radius(target.count) + 2), target.y - uy * (radius(target.count) + 2)];
  const [cx, cy] = [(x1 + x2) / 2 - uy * length * 0.12, (y1 + y2) / 2 + ux * length * 0.12];
  const head = (side) => `M${x2},${y2}L${x2 - ux * 6 + side * uy * 3.4},${y2 - uy * 6 - side * ux * 3.4}`;
  return `M${x1},${y1}Q${cx},${cy} ${x2},${y2}${head(1)}${head(-1)}`;
}
