"""A run of the flow that never ran: records as the flow leaves them, without a model.

Scores are drawn from simple distributions, but everything that follows from them (confusion, metrics, summary) is
computed from them by the project's own evaluation, so cross-checks between the tables hold as they do for a real run.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct

import numpy as np
import pyarrow as pa

from kdgat import records
from kdgat.evaluation.differences import corrected, differences
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.summary import Scored, metric_rows, pooled, summary_rows
from kdgat.models.fusion_input import STATE, FusionInput, rewards
from kdgat.presets import PRESETS
from tests import shared

FLOW_RUN = "KDGATFlow/1"
#: few draws, so that tests are quick; features as the student of the current release has them, which the site of a made-up one shows
CONFIG = PRESETS["demo"].model_copy(update={"bootstrap_draws": 20, "features": "memory"})
#: captures in the order of their names, as the catalog gives them
SCENARIOS = {
    "test_01": [("DoS-sonata.csv", "sonata", "DoS"), ("fuzzing-soul.csv", "soul", "fuzzing")],
    "test_02": [("DoS-spark.csv", "spark", "DoS"), ("fuzzing-spark.csv", "spark", "fuzzing")],
    "test_03": [("malfunction-sonata.csv", "sonata", "malfunction"), ("malfunction-soul.csv", "soul", "malfunction")],
    "test_04": [("malfunction-spark.csv", "spark", "malfunction")],
}
PROTOCOLS = ("zero-shot", "calibrated")
#: separation of attack from benign scores by model
STRENGTH = {
    "vgae-teacher": 1.5,
    "vgae-student": 1.2,
    "gat-teacher": 3.5,
    "gat-student": 3.2,
    "fusion-dqn-teacher": 3.6,
    "fusion-dqn-student": 3.3,
    "fusion-mean-student": 3.0,
    "gbm-baseline": 2.8,
}
#: scored, but without a training run of its own
UNTRAINED = {"fusion-mean-student"}
#: parameters of a student by layer
LAYERS = {"encoder.weight": 800, "head.weight": 200}
WINDOWS = 120
#: weight that the fusion's student gives to the classifier, by window
ALPHA = (12 + np.arange(WINDOWS) % 9) / 20


def _layer(n: int) -> bytes:
    return np.linspace(-1, 1, n, dtype=np.float32).tobytes()


def safetensors() -> bytes:
    """A student's weights in the safetensors format: header length, header, data."""
    header, end = {}, 0
    for layer, n in LAYERS.items():
        header[layer] = {"dtype": "F32", "shape": [n // 10, 10], "data_offsets": [end, end + 4 * n]}
        end += 4 * n
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(map(_layer, LAYERS.values()))


def onnx() -> bytes:
    """The same weights as an ONNX model without a node: a graph of initializers (data type, name, data)."""

    def field(number: int, data: bytes) -> bytes:
        length, size = len(data), b""
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + data

    parts = ((f"model.{layer}".encode(), _layer(n)) for layer, n in LAYERS.items())
    return field(7, b"".join(field(5, b"\x10\x01" + field(8, name) + field(9, data)) for name, data in parts))


def _run_row(
    task: int, dataset: str, seed: int, stage: str, model: str, kind: str, commit: str, data_hash: str
) -> dict:
    config = CONFIG
    return {
        "run": f"{FLOW_RUN}/{stage}/{task}/{model}",
        "flow_run": FLOW_RUN,
        "dataset": dataset,
        "seed": seed,
        "stage": stage,
        "model": model,
        "preset": "demo",
        "config": config.canonical(),
        "config_hash": config.hash(),
        "commit": commit,
        "dirty": False,
        "code_hash": "c" * 64,
        "lock_hash": "1" * 64,
        "data_hash": data_hash,
        "data_kind": kind,
        "tracker": "none",
        "tracker_id": "",
        "started": f"2026-01-01T00:{task // 60:02d}:{task % 60:02d}Z",
        "seconds": 10.0 + task,
        "parameters": 1000 * (2 if "teacher" in model else 1),
        "selection_metric": "val_f1",
        "selection_value": 0.9,
        "machine": "fake machine, 2 cores",
    }


def make(
    datasets: dict[str, str] | None = None, seeds: tuple[int, ...] = (0, 1), commit: str = "a" * 40, noise: int = 0
) -> tuple[dict[str, pa.Table], dict[str, bytes]]:
    """Tables and weights of a fake run; made once in a session of tests, since drawing its intervals takes seconds.

    Args:
        datasets: name → data kind; default one real dataset, `hcrl-sa`.
        seeds: seeds that "trained".
        commit: commit that the runs claim.
        noise: changes the scores (another run of the same configuration).
    """
    arguments = (datasets or {"hcrl-sa": "real"}, seeds, commit, noise)
    if shared.VARIABLE not in os.environ:
        return _make(*arguments)
    name = f"fake-run-{hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]}"
    file = shared.once(name, lambda path: path.write_bytes(pickle.dumps(_make(*arguments))))
    return pickle.loads(file.read_bytes())  # type: ignore[no-any-return]


def _make(
    datasets: dict[str, str], seeds: tuple[int, ...], commit: str, noise: int
) -> tuple[dict[str, pa.Table], dict[str, bytes]]:
    rows: dict[str, list[dict]] = {name: [] for name in records.TABLES}
    task = 0
    scored: list[Scored] = []
    config = CONFIG
    for d, (dataset, kind) in enumerate(datasets.items()):
        captures = [("train", "free-soul.csv", "soul", "benign")] + [
            (s, name, vehicle, attack) for s, files in SCENARIOS.items() for name, vehicle, attack in files
        ]
        truth: dict[str, np.ndarray] = {}
        for c, (scenario, name, vehicle, attack) in enumerate(captures):
            rng = np.random.default_rng([d, c])
            injected = np.zeros(WINDOWS, int)
            if attack != "benign":
                injected[30:50] = rng.integers(1, 40, 20)
                injected[80:90] = rng.integers(1, 40, 10)
            truth[name] = injected
            rows["datasets"].append(
                {
                    "dataset": dataset,
                    "capture": f"{scenario}/{name}",
                    "vehicle": vehicle,
                    "attack": attack,
                    "split": scenario,
                    "data_kind": kind,
                    "sha256": f"{d}{c:x}".ljust(64, "0"),
                    "duplicate_of": "",
                    "frames": WINDOWS * 100 + 7,
                    "injected": int(injected.sum()),
                    "quarantined": 0,
                    "ids": 40,
                    "seconds": WINDOWS * 0.05,
                    "windows": WINDOWS,
                    "positives": int((injected > 0).sum()),
                    "known_vehicle": True,
                    "known_attack": True,
                    "sisters": "",
                }
            )
        trained_on = rows["datasets"][-len(captures)]
        data_hash = hashlib.sha256(f"{trained_on['capture']} {trained_on['sha256']}".encode()).hexdigest()
        for model in sorted(STRENGTH.keys() - UNTRAINED - {"gbm-baseline"}):
            for layer, n in LAYERS.items():
                n *= 2 if "teacher" in model else 1
                shape = f"{n // 10}x10"
                rows["parameters"].append(
                    {"dataset": dataset, "model": model, "layer": layer, "shape": shape, "count": n}
                )
        for seed in seeds:
            for model in STRENGTH:
                task += 1
                if model in UNTRAINED:
                    continue
                stage = {"gbm": "baseline"}.get(model.split("-")[0], model.split("-")[0])
                row = _run_row(task, dataset, seed, stage, model, kind, commit, data_hash)
                rows["runs"].append(row)
                rows["hyperparameters"] += [
                    {"run": row["run"], "name": k, "value": json.dumps(v)} for k, v in config.flat().items()
                ]
                rng = np.random.default_rng([task, noise])
                for epoch in range(4):
                    for metric, level in (("train_loss", 1.0), ("val_loss", 1.2)):
                        rows["curves"].append(
                            {
                                "run": row["run"],
                                "dataset": dataset,
                                "seed": seed,
                                "model": model,
                                "metric": metric,
                                "epoch": epoch,
                                "value": float(level * np.exp(-epoch / 2) + 0.05 * rng.random()),
                            }
                        )
            runs = {r["model"]: r["run"] for r in rows["runs"] if (r["dataset"], r["seed"]) == (dataset, seed)}
            runs |= {model: runs["fusion-dqn-student"] for model in UNTRAINED}
            for protocol in PROTOCOLS:
                rows["operating_points"] += [
                    {"run": runs[model], "dataset": dataset, "seed": seed, "model": model, "protocol": protocol}
                    | {"threshold": 0.5, "source": "validation"}
                    for model in STRENGTH
                ]
            rows["cka"] += [
                {"run": runs["gat-student"], "dataset": dataset, "seed": seed, "model": "gat-student"}
                | {"teacher_layer": f"layer {i}", "student_layer": f"layer {j}", "value": 0.9 if i == j else 0.4}
                for i in (1, 2, 3)
                for j in (1, 2)
            ]
            scored += _evaluate(dataset, d, seed, captures, truth, noise, runs)
        of_seed = [s for s in scored if (s.dataset, s.seed, s.protocol) == (dataset, seeds[0], "zero-shot")]
        _examples(rows, dataset, captures, truth, of_seed, d)
        rows["ablations"] += _ablations(dataset, len(seeds))
        rows["readings"] += _readings(dataset, seeds, captures, commit)
    rows["benchmarks"] = [
        {
            "name": f"latency {stage} {p}",
            "value": ms * worse,
            "unit": "ms",
            "n": 100,
            "machine": "fake machine, 2 cores",
        }
        for stage, ms in (("features", 0.5), ("gat-student", 0.75), ("window", 2.0))
        for p, worse in (("p50", 1.0), ("p99", 1.5))
    ]
    groups: dict[tuple[str, str, str], list[Scored]] = {}
    for s in scored:
        _add_windows(rows, s)
    for s in [*scored, *pooled(scored)]:
        metrics, confusion = metric_rows(s)
        rows["metrics"] += metrics
        rows["confusion"] += confusion
        groups.setdefault((s.dataset, s.scenario, s.protocol), []).append(s)
    rows["summary"] = [
        row for group in groups.values() for row in summary_rows(group, rows["metrics"], CONFIG.bootstrap_draws)
    ]
    apart = [row for group in groups.values() for row in differences(group, CONFIG.bootstrap_draws)]
    rows["differences"] = corrected(apart)
    tables = {name: records.table(name, r) for name, r in rows.items() if r}
    points = json.dumps({"points": {protocol: [0.5, "validation"] for protocol in PROTOCOLS}}).encode()
    contents = {"safetensors": safetensors(), "onnx": onnx(), "json": points}
    weights = {
        f"{dataset}/gat-student-s{seed}.{end}": data
        for dataset in datasets
        for seed in seeds
        for end, data in contents.items()
    }
    return tables, weights


def _ablations(dataset: str, n_seeds: int) -> list[dict]:
    """Two factors on every scenario: without edges it is worse, another encoding of identifiers changes nothing."""
    out = []
    for factor, level, reference, shift in (
        ("edges", "on", True, 0.0),
        ("edges", "off", False, -0.1),
        ("identifiers", "none", True, 0.0),
        ("identifiers", "hashed", False, 0.01),
    ):
        for scenario in SCENARIOS:
            mean, half_width = 0.9 + shift, 0.0 if reference else 0.02
            out.append(
                {"dataset": dataset, "factor": factor, "level": level, "reference": reference, "scenario": scenario}
                | {"protocol": "zero-shot", "metric": "f1", "mean": mean, "ci_low": mean - 0.05, "ci_high": mean + 0.05}
                | {"difference": shift, "difference_low": shift - half_width, "difference_high": shift + half_width}
                | {"n_seeds": n_seeds, "parameters": 1000, "interval": "circular-blocks"}
            )
    return out


def _readings(dataset: str, seeds: tuple[int, ...], captures: list[tuple[str, ...]], commit: str) -> list[dict]:
    """An earlier run that is in no release, then this one: each seed's evaluation opens every test capture."""
    return [
        {
            "dataset": dataset,
            "scenario": scenario,
            "capture": f"{scenario}/{name}",
            "time": f"2026-01-01T0{hour}:00:0{seed}Z",
        }
        | {"reader": f"{run}/evaluate/{seed}", "config_hash": config_hash, "commit": commit}
        for hour, run, config_hash in ((0, "KDGATFlow/0", "0" * 64), (1, FLOW_RUN, CONFIG.hash()))
        for seed in seeds
        for scenario, name, _, _ in captures
        if scenario != "train"
    ]


def _evaluate(dataset, d, seed, captures, truth, noise, runs) -> list[Scored]:
    """Scores of all models on every scenario under every protocol."""
    out = []
    for protocol in PROTOCOLS:
        for scenario in SCENARIOS:
            places = [(c, capture) for c, capture in enumerate(captures) if capture[0] == scenario]
            injected = np.concatenate([truth[name] for _, (_, name, _, _) in places])
            kinds = np.repeat([attack for _, (_, _, _, attack) in places], WINDOWS)
            scores = {}
            for m, (model, strength) in enumerate(STRENGTH.items()):
                rng = np.random.default_rng([d, places[0][0], seed, m, noise, PROTOCOLS.index(protocol)])
                logit = rng.normal(0, 1, len(injected)) + np.where(injected > 0, strength, -strength)
                scores[model] = (1 / (1 + np.exp(-logit))).astype(np.float32).astype(np.float64)
            alpha = np.tile(ALPHA, len(places))
            fused = alpha * scores["gat-student"] + (1 - alpha) * scores["vgae-student"]
            scores["fusion-dqn-student"] = fused.astype(np.float32).astype(np.float64)
            windows = ScoredWindows(
                recording=np.repeat(np.arange(len(places)), WINDOWS),
                window=np.tile(np.arange(WINDOWS), len(places)),
                t0=np.tile((np.arange(WINDOWS) * 0.05).astype(np.float32).astype(np.float64), len(places)),
                duration=np.full(len(injected), np.float32(0.05), np.float64),
                injected=injected,
                attack=np.where(injected > 0, kinds, "benign"),
            )
            names = tuple(f"{scenario}/{name}" for _, (_, name, _, _) in places)
            point = dict.fromkeys(STRENGTH, 0.5)
            out.append(Scored(dataset, scenario, protocol, seed, names, windows, scores, point, runs))
    return out


def _add_windows(rows, s: Scored) -> None:
    w = s.windows
    who = {"dataset": s.dataset, "scenario": s.scenario, "protocol": s.protocol, "seed": s.seed}
    for i in range(len(w)):
        rows["predictions"].append(
            who
            | {
                "capture": s.captures[w.recording[i]],
                "window": int(w.window[i]),
                "t0": w.t0[i],
                "duration": w.duration[i],
            }
            | {"attack": str(w.attack[i]), "injected": int(w.injected[i])}
            | {model: scores[i] for model, scores in s.scores.items()}
        )


def _examples(rows, dataset, captures, truth, scored: list[Scored], d) -> None:
    """What is drawn of the windows of one seed: its scores are those of `predictions`."""
    windows = {
        (s.captures[s.windows.recording[i]], int(s.windows.window[i])): {m: float(v[i]) for m, v in s.scores.items()}
        for s in scored
        for i in range(len(s.windows))
    }
    seed = scored[0].seed
    for c, (scenario, name, vehicle, attack) in enumerate(captures):
        if scenario == "train":
            continue
        for w in (0, 35):
            graph = len({r["graph"] for r in rows["graphs"]})
            rng = np.random.default_rng([d, c, w])
            for frame in range(100):
                rows["graphs"].append(
                    {
                        "graph": graph,
                        "dataset": dataset,
                        "scenario": scenario,
                        "capture": f"{scenario}/{name}",
                        "window": w,
                        "vehicle": vehicle,
                        "attack": attack if truth[name][w] else "benign",
                        "frame": frame,
                        "offset": frame * 0.0005,
                        "id": [0x100, 0x153, 0x2C0, 0x316, 0x43F][frame if frame < 5 else rng.integers(5)],
                        "label": int(truth[name][w] > 0 and frame < truth[name][w]),
                        "score": windows[f"{scenario}/{name}", w]["gat-student"],
                    }
                )
            for layer, head in ((0, 0), (0, 1)):
                who = {"graph": graph, "layer": layer, "head": head, "source": 0x100, "target": 0x153}
                rows["attention"].append(who | {"weight": 1.0})
            who = {"graph": graph, "kind": "node", "source": 0x100, "target": 0x100}
            rows["attributions"].append(who | {"feature": "share", "value": 0.25})
        rng = np.random.default_rng([d, c])
        for w in range(WINDOWS):
            attacked = truth[name][w] > 0
            base = {
                "dataset": dataset,
                "scenario": scenario,
                "seed": seed,
                "capture": f"{scenario}/{name}",
                "window": w,
                "attack": attack if attacked else "benign",
            }
            x, y, a = rng.random(3)
            scores = windows[f"{scenario}/{name}", w]
            rows["embeddings"].append(
                base
                | {"model": "gat-student", "vehicle": vehicle, "x": x + 3 * attacked, "y": y}
                | {"score": scores["gat-student"]}
            )
            rows["reconstruction"].append(
                base
                | {"model": "vgae-student", "node_error": x + attacked, "neighbour_error": y, "id_error": a}
                | {"score": scores["vgae-student"]}
            )
            rows["policy"].append(
                base
                | {"model": "fusion-dqn-student", "anomaly": scores["vgae-student"], "p_attack": scores["gat-student"]}
                | {"alpha": ALPHA[w], "score": scores["fusion-dqn-student"]}
            )
        own = rows["policy"][-WINDOWS:]
        anomaly, p_attack = (np.array([r[column] for r in own]) for column in ("anomaly", "p_attack"))
        state, y = np.zeros((WINDOWS, len(STATE))), (truth[name] > 0).astype(int)
        reward = rewards(FusionInput(state, anomaly, p_attack, y), CONFIG.fusion_student.false_alarm_cost)
        for w, row in enumerate(own):
            row["regret"] = max(reward[w].max() - reward[w, round(ALPHA[w] * 20)], 0.0)


if __name__ == "__main__":
    # `python tests/analysis/fake_run.py local-fake`: a release to develop pages against
    import sys

    from analysis.freeze import Policy, freeze

    print(freeze(sys.argv[1], *make({"hcrl-sa": "real"}), Policy(allow_synthetic=True)).path)
