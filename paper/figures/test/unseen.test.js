// @vitest-environment jsdom
// The front page's picture: who is compared, on what, and what a threshold makes of it.
import {expect, test} from "vitest";
import {confusionAt, scores} from "../lib/scores.js";
import {compared, unknownCar, unseen} from "../unseen.js";
import {predictions} from "./rows.js";

const rows = predictions.map((row) => ({...row, "gbm-baseline": 1 - row["gat-student"]}));
const points = [{model: "gat-student", threshold: 0.5}];
const facts = (line) => [...line.querySelectorAll("dd")].map((dd) => dd.textContent);

test("a line stands for each kind that was scored, and the others are named", () => {
  const node = unseen({rows, points}, {width: 900});
  expect([...node.querySelectorAll("section")].map((line) => line.getAttribute("aria-label"))).toEqual(["GAT student", "Gradient boosting"]);
  expect(node.querySelector(".kdgat-readout").textContent).toBe("Without scores in this release: published recipe, timing rule.");
});

test("a threshold begins at the operating point, and its facts move with it", () => {
  const line = unseen({rows, points}).querySelector("section");
  const slider = line.querySelector("input");
  const at = (threshold) => confusionAt(scores(rows, "gat-student"), threshold);
  expect(facts(line)).toEqual([at(0.5).f1.toFixed(3), at(0.5).falseAlarmsPerHour.toLocaleString("en", {maximumSignificantDigits: 2}), `${at(0.5).fn} of 2`]);
  slider.value = 0;
  slider.dispatchEvent(new Event("input"));
  expect(facts(line)).toEqual([at(0.1).f1.toFixed(3), "3,600", "0 of 2"]);
  expect(slider.getAttribute("aria-valuetext")).toBe("F1 0.500, false alarms an hour 3,600, missed 0 of 2");
});

test("the car is that of the last test scenario of the main dataset, without any of its traffic", async () => {
  const asked = [];
  const place = {dataset: "real", protocol: "zero-shot", seed: 1};
  const release = {
    groups: async () => ["another", "real"].flatMap((dataset) => ["pooled", "test_01", "test_04"].flatMap((scenario) => [2, 1].map((seed) => ({dataset, scenario, seed})))),
    rows: async (...given) => asked.push(given) && rows,
    table: async () => [{...place, model: "gat-student"}, {...place, seed: 2, model: "gat-student"}]
  };
  const found = await unknownCar(release, "real");
  expect(asked[0][1]).toEqual({...place, scenario: "test_04"});
  expect(found.points.length).toBe(1);
});

test("of each kind the first model that was scored stands beside the chosen one", () => {
  const scored = ["gat-teacher", "gat-student", "gat-alone-student", "gbm-baseline", "gbm-memory-baseline", "rule-profile-baseline"];
  expect(compared(scored, "gat-teacher")).toEqual(["gat-teacher", "gat-student", "gbm-memory-baseline", "rule-profile-baseline"]);
});
