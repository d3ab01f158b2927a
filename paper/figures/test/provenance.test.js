// @vitest-environment jsdom
// The trace of a number leads on: each line is a link or a command, and window metrics are computed again from scores.
import {expect, test} from "vitest";
import {panel, partOf} from "../provenance.js";
import {agrees, asked, metrics, recompute} from "../recompute.js";
import {confusionAt, scores} from "../lib/scores.js";
import {predictions} from "./rows.js";

const query = "select mean, ci_low, ci_high, n_seeds from summary where dataset = 'd' and scenario = 'test_01' and attack = 'all' and model = 'gat-student' and protocol = 'zero-shot' and metric = 'f1'";
const run = {commit: "c".repeat(40), config_hash: "f".repeat(64), data_hash: "a".repeat(64), dataset: "d", preset: "paper", config_diff: {features: ["memory", "profile"]}, links: {}};
const trace = {
  release: "r", manifest_sha256: "e".repeat(64), data_kind: "real", state: "anchored in git at 0123, not signed", runs: {a: run, b: run},
  numbers: {"d.k": {text: "0.9", value: 0.9, low: 0.8, high: 0.95, n_seeds: 2, query, runs: ["a", "b"], recompute: "kdgat reproduce"}}
};
const site = new URL("https://site.example/kd-gat/");
const manifest = {tables: {predictions: {columns: {"gat-student": "float"}}}};

test("every line of a trace is a link or a command", () => {
  const node = panel("d.k", trace, site);
  const links = [...node.querySelectorAll("a")].map((a) => a.href);
  expect(links).toEqual([
    `https://site.example/kd-gat/paper/results/sql.html?${new URLSearchParams({q: query, view: "table"})}`,
    "https://site.example/kd-gat/assets/release/manifest.json",
    "https://site.example/kd-gat/paper/results/datasets.html?dataset=d",
    "https://site.example/kd-gat/paper/results/runs.html?dataset=d&run=a",
    "https://site.example/kd-gat/paper/results/runs.html?dataset=d&run=b"
  ]);
  const commands = [...node.querySelectorAll(".kdgat-command code")].map((code) => code.textContent);
  expect(commands).toEqual(["kdgat trace --release r d.k", "kdgat reproduce", "kdgat verify r", `git show ${run.commit}`]);
  expect(node.textContent).toContain("anchored in git at 0123, not signed");
  expect(node.querySelector("summary").textContent).toBe("ffffffffff, differs from paper in 1");
  expect(node.querySelector("pre").textContent).toBe('features: "memory" → "profile"');
});

test("a commit is a link where the repository has an address", () => {
  const linked = {...run, links: {commit: "https://code.example/c"}};
  const node = panel("d.k", {...trace, runs: {a: linked, b: linked}}, site);
  expect([...node.querySelectorAll("a")].filter((a) => a.href === "https://code.example/c").length).toBe(1);
  expect(node.textContent).not.toContain("git show");
});

test("a trace lies in the part of its dataset, scenario and model", () => {
  expect(["d.test_01.gat_student.zero_shot.f1", "d.test_01.floor_f1", "release.name", "seeds"].map(partOf)).toEqual([
    "d.test_01.gat_student", "d.test_01", "release", "seeds"
  ]);
});

test("what is asked for is one mean of a scored model, over all attacks", () => {
  expect(asked(query, manifest)).toEqual({dataset: "d", scenario: "test_01", attack: "all", model: "gat-student", protocol: "zero-shot", metric: "f1"});
  for (const other of [query.replace("'all'", "'dos'"), query.replace("gat-student", "fusion-max-student"), query.replace("'f1'", "'mcc_of_old'"), "select 1"])
    expect(asked(other, manifest)).toBe(null);
});

test("each seed is computed from its scores and its operating point", async () => {
  const release = {
    table: async () => [0, 1].map((seed) => ({dataset: "d", seed, model: "gat-student", protocol: "zero-shot", threshold: 0.25 + seed / 2})),
    groups: async (_, columns, values) => [1, 0].map((seed) => ({seed, asked: [columns, values]})),
    rows: async () => predictions
  };
  const {values, mean} = await recompute(asked(query, manifest), release);
  expect(values.map(({seed}) => seed)).toEqual([0, 1]);
  expect(values[0].value).toBeCloseTo(4 / 6);
  expect(mean).toBeCloseTo((values[0].value + values[1].value) / 2);
  expect([agrees(mean, mean * (1 + 1e-7)), agrees(mean, mean + 0.001), agrees(null, 0)]).toEqual([true, false, false]);
});

test("metrics without a threshold are those of all thresholds", () => {
  const prepared = scores(predictions, "gat-student");
  const at = confusionAt(prepared, 0.5);
  const pairs = [...prepared.attacked].flatMap((a) => [...prepared.benign].map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  expect(metrics.roc_auc(prepared, at)).toBeCloseTo(pairs.reduce((a, b) => a + b) / pairs.length);
  expect(metrics.tpr_at_fpr_1pct(prepared, at)).toBe([...prepared.attacked].filter((score) => score > Math.max(...prepared.benign)).length / prepared.attacked.length);
});
