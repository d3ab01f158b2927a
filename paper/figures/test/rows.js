// Small fixed rows of every table that figures draw.
const windows = [0, 1, 2, 3, 4, 5];
const ATTACKS = ["benign", "dos", "fuzzing"];

export const summary = ["test_01", "test_02"].flatMap((scenario, s) =>
  ["gat-teacher", "gat-student", "gbm-baseline"].map((model, m) => ({
    dataset: "d", scenario, attack: "all", model, protocol: "zero-shot", metric: "f1", mean: 0.95 - m / 10 - s / 20, ci_low: 0.9 - m / 10 - s / 20,
    ci_high: 0.98 - m / 20, n_seeds: 2, recordings: 1, segments: 1, positives: 5, negatives: 5
  }))
);
export const parameters = [["gat-teacher", 200000], ["gat-student", 40000]].flatMap(([model, count]) =>
  ["layer 1", "layer 2"].map((layer) => ({dataset: "d", model, layer, shape: "1", count: count / 2}))
);
export const curves = ["a", "b"].flatMap((run, seed) =>
  [0, 1, 2].flatMap((epoch) =>
    ["train_loss", "val_f1"].map((metric) => ({run, epoch, metric, value: (seed + 1) / (epoch + 1), model: "gat-student", seed, dataset: "d"}))
  )
);
export const frames = [0x100, 0x200, 0x100, 0x300, 0x200, 0x100].map((id, frame) => ({
  graph: 0, frame, id, label: Number(id === 0x300), offset: frame / 1000, vehicle: "v", attack: "dos", score: 0.5, scenario: "test_01", window: 3
}));
export const attributions = [0x100, 0x200].flatMap((source, i) =>
  ["share", "gap_cv"].map((feature, j) => ({graph: 0, kind: "node", source, target: source, feature, value: (i + 1) * (j - 0.4)}))
);
export const predictions = windows.map((window) => ({
  dataset: "d", scenario: "test_01", capture: "a", window, t0: window, duration: 1, injected: window % 3 === 1 ? 4 : 0,
  attack: window % 3 === 1 ? "dos" : "benign", "gat-student": [0.1, 0.9, 0.3, 0.2, 0.6, 0.7][window]
}));
export const reconstruction = ATTACKS.flatMap((attack, a) =>
  windows.map((window) => ({capture: "a", window, attack, node_error: a + window / 9, neighbour_error: a / 2 + window / 5, id_error: window / 7}))
);
export const policy = ATTACKS.flatMap((attack, a) =>
  windows.map((window) => ({
    scenario: "test_01", attack, window, anomaly: window / 6, p_attack: (a + window / 6) / 4, alpha: (a * 5 + window) / 20, score: 0.5, regret: window / 50
  }))
);
export const cka = ["layer 1", "layer 2", "layer 3"].flatMap((teacher_layer, i) =>
  ["layer 1", "layer 2"].map((student_layer, j) => ({model: "gat-student", seed: 0, teacher_layer, student_layer, value: 0.9 - Math.abs(i - j) / 4}))
);
export const datasets = [["train", "benign", "soul"], ["test_01", "dos", "spark"]].map(([split, attack, vehicle], i) => ({
  dataset: "d", split, capture: `${split}/${attack}-${vehicle}.csv`, vehicle, attack, data_kind: i ? "synthetic" : "real", frames: 1000 * (i + 1),
  injected: 150 * i, quarantined: 0, ids: 30 + 20 * i, seconds: 10, windows: 10 * (i + 1), positives: 3 * i, duplicate_of: "", sha256: "0"
}));
export const runs = ["vgae", "gat", "evaluate"].map((stage, i) => ({
  run: `KDGATFlow/1/${stage}/${i}`, stage, model: stage === "evaluate" ? "" : `${stage}-student`, seed: 0, dataset: "d", started: `2026-01-01T00:00:0${i}Z`, seconds: 4 + i,
  commit: "abcdef0123456", config_hash: "0123456789abc", preset: "demo", dirty: false, data_hash: "d", data_kind: "real", parameters: 10, machine: "m"
}));
export const embeddings = windows.map((window) => ({
  dataset: "d", scenario: "test_01", capture: "a", window, vehicle: "v", attack: window > 3 ? "dos" : "benign", x: window, y: window % 3, score: window / 6
}));
export const ablations = [["edges", "on", true, 0], ["edges", "off", false, -0.1], ["identifiers", "hashed", false, 0.01]].flatMap(([factor, level, reference, difference]) =>
  ["test_01", "test_02"].map((scenario) => ({
    dataset: "d", factor, level, reference, scenario, protocol: "zero-shot", metric: "f1", mean: 0.9 + difference, ci_low: 0.8, ci_high: 1,
    difference, difference_low: difference - 0.05, difference_high: difference + 0.05, n_seeds: 2, parameters: 1000
  }))
);
export const readings = ["KDGATFlow/0", "KDGATFlow/1"].flatMap((run, i) =>
  ["a", "b"].map((capture) => ({
    dataset: "d", scenario: "test_01", capture, time: `2026-01-01T0${i}:00:00Z`, reader: `${run}/evaluate/1`, config_hash: `${i}123456789`, commit: "abcdef0123456"
  }))
);
export const costs = [["detect 100,000 frames", 5], ["detect 10,000,000 frames", 30], ["run 1 seeds", 40], ["run 4 seeds", 130], ["build 1,000 graphs", 0.1]].map(
  ([name, value]) => ({release: "r2", name, value, unit: "CPU s", n: 1, machine: "m"})
);
export const benchmarks = ["r1", "r2"].flatMap((release, i) =>
  [["latency window p50", "ms", 2], ["virtual vehicles", "frames/s", 700000]].map(([name, unit, value]) => ({release, name, value: value * (1 + i / 4), unit, n: 5, machine: "m"}))
);
