"""A run of the flow that never ran: records as the flow leaves them, from numpy alone.

Scores are drawn from simple distributions, but everything that follows from them (operating points, confusion, metrics,
summary) is computed from them, so cross-checks between the tables hold as they do for a real run.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kdgat import records
from kdgat.config import preset

FLOW_RUN = "KDGATFlow/1"
SCENARIOS = {
    "test_01": [("DoS-sonata.csv", "sonata", "DoS"), ("fuzzing-soul.csv", "soul", "fuzzing")],
    "test_02": [("DoS-spark.csv", "spark", "DoS"), ("fuzzing-spark.csv", "spark", "fuzzing")],
    "test_03": [("malfunction-soul.csv", "soul", "malfunction"), ("malfunction-sonata.csv", "sonata", "malfunction")],
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
WINDOWS = 120


def _auc(y: np.ndarray, s: np.ndarray) -> float | None:
    if y.all() or not y.any():
        return None
    ranks = np.empty(len(s))
    ranks[np.argsort(s, kind="stable")] = np.arange(1, len(s) + 1)
    for value in np.unique(s):
        ranks[s == value] = ranks[s == value].mean()
    n = y.sum()
    return float((ranks[y].sum() - n * (n + 1) / 2) / (n * (~y).sum()))


def _metrics(tp: int, fp: int, tn: int, fn: int) -> dict[str, float | None]:
    return {
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn) if tp + fn else None,
        "f1": 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None,
        "accuracy": (tp + tn) / (tp + fp + tn + fn),
        "fpr": fp / (fp + tn) if fp + tn else None,
        "false_alarms": float(fp),
    }


def _run_row(task: int, dataset: str, seed: int, stage: str, model: str, kind: str, commit: str) -> dict:
    config = preset("smoke")
    return {
        "run": f"{FLOW_RUN}/{stage}/{task}",
        "flow_run": FLOW_RUN,
        "dataset": dataset,
        "seed": seed,
        "stage": stage,
        "model": model,
        "preset": "smoke",
        "config": config.canonical(),
        "config_hash": config.hash(),
        "commit": commit,
        "dirty": False,
        "code_hash": "c" * 64,
        "lock_hash": "1" * 64,
        "data_hash": "d" * 64,
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
    """Tables and weights of a fake run.

    Args:
        datasets: name → data kind; default one real dataset, `hcrl-sa`.
        seeds: seeds that "trained".
        commit: commit that the runs claim.
        noise: changes the scores (another run of the same configuration).
    """
    datasets = datasets or {"hcrl-sa": "real"}
    rows: dict[str, list[dict]] = {name: [] for name in records.TABLES}
    task = 0
    config = preset("smoke")
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
                }
            )
        for model in STRENGTH:
            for layer, count in (("encoder.weight", 800), ("head.weight", 200)):
                shape, count = f"{count // 10}x10", count * (2 if "teacher" in model else 1)
                rows["parameters"].append(
                    {"dataset": dataset, "model": model, "layer": layer, "shape": shape, "count": count}
                )
        for seed in seeds:
            for model in STRENGTH:
                task += 1
                stage = {"gbm": "baseline"}.get(model.split("-")[0], model.split("-")[0])
                row = _run_row(task, dataset, seed, stage, model, kind, commit)
                rows["runs"].append(row)
                rows["hyperparameters"] += [
                    {"run": row["run"], "name": k, "value": str(v)} for k, v in config.flat().items()
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
            task += 1
            evaluate = _run_row(task, dataset, seed, "evaluate", "all", kind, commit)
            rows["runs"].append(evaluate)
            _evaluate(rows, evaluate["run"], dataset, d, seed, captures, truth, noise)
        _examples(rows, dataset, captures, truth, seeds[0], d)
    _summary(rows)
    tables = {name: records.table(name, r) for name, r in rows.items() if r}
    weights = {
        f"{dataset}/gat-student-s{seed}.{end}": f"weights of {dataset} {seed} {end}".encode()
        for dataset in datasets
        for seed in seeds
        for end in ("safetensors", "onnx", "json")
    }
    return tables, weights


def _evaluate(rows, run, dataset, d, seed, captures, truth, noise) -> None:
    keys = {"run": run, "dataset": dataset, "seed": seed}
    for protocol in PROTOCOLS:
        for model in STRENGTH:
            rows["operating_points"].append(
                keys | {"model": model, "protocol": protocol, "threshold": 0.5, "source": "validation"}
            )
        scored: dict[str, list[tuple[str, np.ndarray, dict[str, np.ndarray]]]] = {}
        for c, (scenario, name, _, attack) in enumerate(captures):
            if scenario == "train":
                continue
            injected = truth[name]
            scores = {}
            for m, (model, strength) in enumerate(STRENGTH.items()):
                rng = np.random.default_rng([d, c, seed, m, noise, PROTOCOLS.index(protocol)])
                logit = rng.normal(0, 1, WINDOWS) + np.where(injected > 0, strength, -strength)
                scores[model] = (1 / (1 + np.exp(-logit))).astype(np.float32)
            scored.setdefault(scenario, []).append((attack, injected, scores))
            rows["predictions"] += [
                {
                    "dataset": dataset,
                    "scenario": scenario,
                    "protocol": protocol,
                    "seed": seed,
                    "capture": f"{scenario}/{name}",
                    "window": w,
                    "t0": w * 0.05,
                    "duration": 0.05,
                    "attack": attack if injected[w] else "benign",
                    "injected": int(injected[w]),
                    **{model: float(s[w]) for model, s in scores.items()},
                }
                for w in range(WINDOWS)
            ]
        for scenario, files in scored.items():
            for attack in ("all", *sorted({a for a, _, _ in files})):
                use = [f for f in files if attack in ("all", f[0])]
                y = np.concatenate([f[1] for f in use]) > 0
                for model in STRENGTH:
                    s = np.concatenate([f[2][model] for f in use])
                    called = s >= np.float32(0.5)
                    tp, fp = int((called & y).sum()), int((called & ~y).sum())
                    fn, tn = int((~called & y).sum()), int((~called & ~y).sum())
                    where = {"scenario": scenario, "attack": attack, "model": model, "protocol": protocol}
                    rows["confusion"].append(keys | where | {"tp": tp, "fp": fp, "tn": tn, "fn": fn})
                    for metric, value in (_metrics(tp, fp, tn, fn) | {"roc_auc": _auc(y, s)}).items():
                        rows["metrics"].append(keys | where | {"metric": metric, "value": value, "n": len(y)})


def _examples(rows, dataset, captures, truth, seed, d) -> None:
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
                        "id": int(rng.choice([0x100, 0x153, 0x2C0, 0x316, 0x43F])),
                        "label": int(truth[name][w] > 0 and frame < truth[name][w]),
                        "score": 0.5,
                    }
                )
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
            x, y, a, b = rng.random(4)
            rows["embeddings"].append(
                base
                | {
                    "model": "gat-student",
                    "vehicle": vehicle,
                    "x": x + 3 * attacked,
                    "y": y,
                    "score": (a + attacked) / 2,
                }
            )
            rows["reconstruction"].append(
                base
                | {"model": "vgae-student", "node_error": x + attacked, "neighbour_error": y, "id_error": a}
                | {"score": (b + attacked) / 2}
            )
            rows["policy"].append(
                base
                | {"model": "fusion-dqn-student", "anomaly": (b + attacked) / 2, "p_attack": (a + attacked) / 2}
                | {"alpha": round(x * 20) / 20, "score": (a + attacked) / 2, "regret": 0.0}
            )


def _summary(rows) -> None:
    groups: dict[tuple, list[dict]] = {}
    for r in rows["metrics"]:
        key = tuple(r[k] for k in ("dataset", "scenario", "attack", "model", "protocol", "metric"))
        groups.setdefault(key, []).append(r)
    for (dataset, scenario, attack, model, protocol, metric), group in groups.items():
        values = [g["value"] for g in group if g["value"] is not None]
        mean = float(np.mean(values)) if values else None
        spread = 0.01 if metric != "false_alarms" else 2.0
        caps = [
            r
            for r in rows["datasets"]
            if r["dataset"] == dataset and r["split"] == scenario and attack in ("all", r["attack"])
        ]
        positives = sum(r["positives"] for r in caps)
        rows["summary"].append(
            {
                "dataset": dataset,
                "scenario": scenario,
                "attack": attack,
                "model": model,
                "protocol": protocol,
                "metric": metric,
                "mean": mean,
                "ci_low": None if mean is None else max(0.0, mean - spread),
                "ci_high": None if mean is None else (mean + spread if spread > 1 else min(1.0, mean + spread)),
                "n_seeds": len(group),
                "recordings": len(caps),
                "segments": 2 * len(caps),
                "positives": positives,
                "negatives": sum(r["windows"] for r in caps) - positives,
            }
        )


if __name__ == "__main__":
    # `python tests/analysis/fake_run.py local-fake`: a release to develop pages against
    import sys

    from analysis.freeze import Policy, freeze

    print(freeze(sys.argv[1], *make({"hcrl-sa": "real"}), Policy(allow_synthetic=True)).path)
