import * as Plot from "@observablehq/plot";
import {ascending, format, groups} from "d3";
import {figure, message} from "./lib/figure.js";
import {number} from "./lib/rows.js";
import {base, categoryColor} from "./lib/theme.js";

/** Benchmarks of one kind of work at several sizes are called, for example, `detect 100,000 frames`. */
export const SIZED = /^(\w+) ([\d,]+) (\w+)$/;

/** Rows of `benchmarks` as points of costs against work: `{kind, unit, size, seconds}`, by kind and size. */
const points = (rows) =>
  rows
    .filter((row) => SIZED.test(row.name) && row.unit === "CPU s")
    .map((row) => {
      const [, kind, size, unit] = SIZED.exec(row.name);
      return {kind, unit, size: Number(size.replaceAll(",", "")), seconds: row.value};
    })
    .sort((a, b) => ascending(a.kind, b.kind) || ascending(a.size, b.size));

/** Seconds in a unit that a reader can grasp. */
function duration(seconds) {
  const [scale, unit] = seconds >= 1 ? [1, "s"] : seconds >= 1e-3 ? [1e3, "ms"] : [1e6, "µs"];
  return `${number(Number((seconds * scale).toPrecision(2)))} ${unit}`;
}

/**
 * Processor time against the size of the work, one panel per kind of work, both axes logarithmic; each title tells what one unit more costs: the
 * slope between the smallest and the largest work. `rows`: rows of `benchmarks` of one release.
 */
export function costs(rows, {width = 640} = {}) {
  const measured = points(rows);
  const kinds = groups(measured, (point) => point.kind).filter(([, mine]) => mine.length > 1);
  if (!kinds.length) return message("This release holds no costs at several sizes of work; `make bench` measures them.");
  const columns = width < 520 ? 1 : kinds.length;
  const chart = document.createElement("div");
  chart.className = "kdgat-multiples";
  for (const [kind, mine] of kinds) {
    const [first, last] = [mine[0], mine.at(-1)];
    const slope = (last.seconds - first.seconds) / (last.size - first.size);
    chart.append(
      Plot.plot({
        ...base({width: Math.floor(width / columns) - 12}),
        height: 190,
        marginLeft: 28,
        marginRight: 24,
        marginTop: 44,
        marginBottom: 40,
        x: {type: "log", axis: null},
        y: {type: "log", axis: null},
        marks: [
          Plot.text([`${kind}: ${duration(slope)} per ${first.unit.replace(/s$/, "")}`], {frameAnchor: "top-left", dx: -26, dy: -38, fontWeight: 600, textAnchor: "start"}),
          Plot.axisX(mine.map((point) => point.size), {label: `${first.unit} →`, text: format("~s")}), // a logarithmic axis would leave out some
          Plot.line(mine, {x: "size", y: "seconds", stroke: categoryColor(0), strokeOpacity: 0.6}),
          Plot.text(mine, {x: "size", y: "seconds", text: (point) => duration(point.seconds), dy: -11}),
          Plot.dot(mine, {x: "size", y: "seconds", fill: categoryColor(0), r: 4, title: (point) => `${number(point.size)} ${point.unit}: ${number(point.seconds)} CPU s`})
        ]
      })
    );
  }
  return figure(chart, {label: "Cost against work", rows: measured, columns: ["kind", "size", "unit", "seconds"]});
}
