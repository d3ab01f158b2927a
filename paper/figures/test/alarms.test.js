// @vitest-environment jsdom
// Alarms as a driver hears them, by the rules of kdgat.evaluation.alarms, and the curve that is drawn of them.
import {expect, test} from "vitest";
import {alarmCurves} from "../alarms.js";
import {judged, misjudged} from "../embedding.js";
import {alarms, recordings, sounding} from "../lib/events.js";
import {selectWindow} from "../lib/inputs.js";
import {hardest} from "../lib/rows.js";
import {scores} from "../lib/scores.js";
import {mistakes} from "../mistakes.js";
import {predictions} from "./rows.js";

/** Windows of a second each: `a` attacked, `.` benign; the score is a digit of `scores` over ten. */
const recording = (kinds, scores, capture = "c") =>
  [...kinds].map((kind, window) => ({capture, window, t0: window, duration: 1, injected: kind === "a" ? 2 : 0, m: Number(scores[window]) / 10}));

test("attacked windows within a second are one event, and only what is farther from attacks counts as quiet", () => {
  const [{windows, events, hours}] = recordings(recording(".....a.a.......", "000000000000000"));
  expect(events).toEqual([{t0: 5, end: 8}]);
  expect(windows.filter(({far}) => far).map(({window}) => window)).toEqual([0, 1, 2, 10, 11, 12, 13, 14]);
  expect(hours).toBeCloseTo(8 / 3600);
});

test("k of the last n windows sound, within a recording", () => {
  expect(sounding([1, 0, 1, 1, 0, 0], 2, 3)).toEqual([false, false, true, true, true, false]);
  const two = [...recording("..", "09", "a"), ...recording("..", "90", "b")];
  expect(alarms(recordings(two), "m", 0.5, 2, 2).alarms).toBe(0);
  expect(alarms(recordings(two), "m", 0.5, 1, 1).alarms).toBe(2);
});

test("an alarm counts where it begins, and an attack is found up to a second after it", () => {
  const rows = recording("....a.....a...", "99000009090000");
  expect(alarms(recordings(rows), "m", 0.5)).toEqual({perHour: 2 / (recordings(rows)[0].hours), alarms: 2, found: 0, events: 2});
  expect(alarms(recordings(recording("..a...", "000900")), "m", 0.5).found).toBe(1);
  expect(alarms(recordings(recording("..a...", "000090")), "m", 0.5).found).toBe(1);
  expect(alarms(recordings(recording("..a...", "000009")), "m", 0.5).found).toBe(0);
});

test("a panel stands for each car, a line and a dot for each model", () => {
  const rows = [...recording("....a....", "100090100", "x"), ...recording("....a....", "010080010", "y")];
  const captures = [{capture: "x", vehicle: "soul"}, {capture: "y", vehicle: "spark"}];
  const node = alarmCurves(rows, {models: ["m"], points: [{model: "m", threshold: 0.5}], captures, width: 900});
  expect(node.querySelectorAll("[aria-label=line] path").length).toBe(2);
  expect(node.querySelectorAll("[aria-label=dot] path").length).toBe(2);
  expect(node.querySelector("[aria-label=dot] title").textContent).toContain("1 of 1 attacks found\n0 alarms, 0 an hour");
});

test("misjudged windows stand first, then those nearest to it", () => {
  const row = (graph, attack, score) => ({graph, dataset: "d", attack, score, vehicle: "v", scenario: "s", window: graph});
  const rows = judged([row(0, "benign", 0.1), row(1, "dos", 0.9), row(2, "benign", 0.4), row(3, "dos", 0.2), row(4, "dos", 0.6)], [
    {dataset: "d", model: "gat-student", seed: 0, protocol: "zero-shot", threshold: 0.5}
  ]);
  history.replaceState(null, "", "?");
  const input = selectWindow("graph", rows);
  expect([...input.querySelectorAll("option")].map((option) => option.textContent.split(",")[0])).toEqual(["missed: v", "v", "found: v", "v", "found: v"]);
  expect(input.value).toBe(3);
  const [previous, next] = input.querySelectorAll("button");
  next.click();
  expect(input.value).toBe(2);
  previous.click();
  previous.click();
  expect(input.value).toBe(1);
  expect(misjudged(rows).textContent).toBe("Of 5 example windows, 1 attacked window was missed and 0 benign ones gave false alarms: they stand first.");
  const right = rows.filter((one) => one.outcome !== "missed");
  expect(misjudged(right).textContent).toMatch(/^No misjudged window is among the 4 examples of this release;/);
});

test("the page opens at the test with the largest share of misjudged windows", () => {
  const row = (scenario, fp, model = "gat-student") => ({dataset: "d", attack: "all", protocol: "zero-shot", scenario, model, tp: 5, fn: 0, tn: 5, fp});
  expect(hardest([row("a", 1), row("b", 3), row("a", 9, "gbm-baseline")], "d")).toBe("b");
  expect(hardest([row("a", 1, "other")], "d")).toBe("a");
  expect(hardest([], "d")).toBe(undefined);
});

test("misjudged windows are listed as the threshold moves, and lead to their graphs", () => {
  const rows = predictions.map((row) => ({...row, attack: row.injected ? "dos" : "benign"}));
  const threshold = Object.assign(new EventTarget(), {value: 0.5});
  const node = mistakes(rows, scores(rows, "gat-student"), {threshold, examples: [{capture: "a", window: 5, graph: 7}]});
  expect(node.querySelector("summary").textContent).toBe("Misjudged windows: 0 missed, 1 false alarms");
  threshold.value = 0.65;
  node.open = true;
  threshold.dispatchEvent(new Event("input"));
  expect(node.querySelector("summary").textContent).toBe("Misjudged windows: 1 missed, 1 false alarms");
  expect([...node.querySelectorAll("tbody tr")].map((row) => row.children[1].textContent)).toEqual(["missed", "false alarm"]);
  expect([...node.querySelectorAll("a")].map((a) => a.getAttribute("href"))).toEqual(["graph.html?graph=7"]);
});
