import * as Plot from "@observablehq/plot";
import {ascending, rollups, utcFormat} from "d3";
import {figure, message} from "./lib/figure.js";
import {distinct} from "./lib/rows.js";
import {base, categoryColor} from "./lib/theme.js";

const KINDS = ["this release", "other"];

/**
 * Every evaluation that opened a test folder, also of runs that are in no release, counted up over time.
 * `rows`: rows of `readings`, one a reading of a capture; `released`: the flow runs that this release is made of.
 */
export function readings(rows, {width = 640, released = []} = {}) {
  if (!rows.length) return message("For this release no count was kept of how often the test folders had been read.");
  const evaluations = rollups(
    rows,
    (of) => ({
      time: of.reduce((first, row) => (row.time < first ? row.time : first), of[0].time),
      captures: new Set(of.map((row) => row.capture)).size,
      configuration: of[0].config_hash.slice(0, 8),
      commit: of[0].commit.slice(0, 10)
    }),
    (row) => row.reader
  )
    .map(([reader, about]) => ({reader, ...about, released: released.some((run) => reader.startsWith(`${run}/`)) ? "this release" : "other"}))
    .sort((a, b) => ascending(a.time, b.time) || ascending(a.reader, b.reader))
    .map((row, i) => ({...row, evaluation: i + 1, at: new Date(row.time)}));
  const configurations = distinct(evaluations, "configuration").length;
  const days = (evaluations.at(-1).at - evaluations[0].at) / 86_400_000;
  const chart = Plot.plot({
    ...base({width}),
    height: 240,
    marginLeft: 48,
    marginRight: 44,
    marginBottom: 42,
    x: {type: "utc", label: "time (UTC) →", labelOffset: 36, nice: true, ticks: width < 520 ? 2 : 5, tickFormat: utcFormat(days > 2 ? "%-d %b" : "%-d %b %H:%M")},
    y: {label: "evaluations so far", grid: true, zero: true, nice: true},
    color: {domain: KINDS, range: [categoryColor(1), categoryColor(0)]},
    symbol: {domain: KINDS, range: ["circle", "times"], legend: true},
    marks: [
      Plot.line(evaluations, {x: "at", y: "evaluation", curve: "step-after", strokeOpacity: 0.35}),
      Plot.dot(evaluations, {
        x: "at", y: "evaluation", stroke: "released", symbol: "released", r: 4.5, strokeWidth: 2,
        title: (row) => `${row.reader}\n${row.time}, ${row.captures} captures\nconfiguration ${row.configuration}, commit ${row.commit}`
      })
    ]
  });
  const columns = ["evaluation", "time", "reader", "captures", "configuration", "commit", "released"];
  return figure(chart, {label: `${evaluations.length} evaluations that read the test folders, of ${configurations} configurations, over time`, rows: evaluations, columns});
}
