"""What one window costs, end to end on one thread: `python -m benchmarks.latency`.

Frames to alarm by ONNX Runtime, with the students of the current release on a drive of the synthetic bus: features with
a profile, both students, the fused score. Prints the median and the 99th percentile of each stage, and its share of the whole.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPETITIONS = 2000


def rows(repetitions: int = REPETITIONS) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`."""
    import onnxruntime
    import torch

    from analysis.release import Release
    from analysis.rescore import configuration, seeds, student
    from kdgat import catalog, provenance
    from kdgat.captures import Frames, frame_arrays
    from kdgat.dataset import profile_of
    from kdgat.engine import build
    from kdgat.evaluation.thresholds import BenignCDF
    from kdgat.export import to_onnx, vgae_to_onnx
    from kdgat.features import FEATURES
    from kdgat.models.fusion import ALPHAS, FusionInput
    from kdgat.models.fusion import state as fusion_state
    from kdgat.stages import standardised

    torch.set_num_threads(1)
    release = Release.open()
    dataset = sorted(release.manifest["datasets"])[0]
    seed = seeds(release, dataset)[0]
    config = configuration(release, dataset, seed)
    (gat, scalers), (vgae, _), (fusion, _) = (
        student(release, dataset, seed, m) for m in ("gat-student", "vgae-student", "fusion-dqn-student")
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = fusion.model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, (torch.zeros(1, 15),), dynamo=True, input_names=["state"], verbose=False)
    assert program is not None
    values = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)
    sessions = [
        onnxruntime.InferenceSession(data, options)
        for data in (to_onnx(gat.model()), vgae_to_onnx(vgae.model()))  # type: ignore[arg-type]
    ]
    cdf = BenignCDF(np.asarray(vgae.meta["cdf"][0]), vgae.meta["cdf"][1])
    centre, spread = (np.asarray(vgae.meta[k]) for k in ("centre", "spread"))
    state_centre, state_spread = (np.asarray(fusion.meta[k]) for k in ("centre", "spread"))

    capture = next(c for c in catalog.captures("synthetic") if c.split == "test_01" and c.attack != "benign")
    frames = capture.frames()
    profile = profile_of(frames, config)
    size = config.windows.size
    begins = np.random.default_rng(0).integers(profile.n_frames, frames.num_rows - size, repetitions)

    arrived = Frames(*frame_arrays(frames))
    at = np.zeros(1, np.int64)
    share = FEATURES[config.features][0].index("share")

    def features(begin: int) -> dict[str, np.ndarray]:
        window = arrived.slice(begin, begin + size)
        made = build.graphs([window], [at], size, config.features, [profile], threads=1)
        shares = made["x"][:, share]
        return {
            "x": scalers.nodes(made["x"]),
            "edge_index": np.asarray(made["edge_index"], np.int64),
            "edge_attr": scalers.edges(made["edge_attr"]),
            "share": shares / shares.sum(),
            "id_code": np.asarray(made["id_code"], np.int64),
        }

    def ask(session: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})

    def fused(p: np.ndarray, e: np.ndarray, parts: np.ndarray, stats: np.ndarray) -> float:
        error = (parts - centre) / spread
        anomaly = cdf(error.mean(1))
        data = FusionInput(fusion_state(error, stats, anomaly, p, e), anomaly, p, np.zeros(1, np.int64))
        scaled = standardised(data, state_centre, state_spread).state
        return float(data.fused(ALPHAS[values.run(None, {"state": scaled})[0].argmax(1)])[0])

    took: dict[str, list[float]] = {
        name: [] for name in ("features", "gat-student", "vgae-student", "fusion", "window")
    }

    def timed(stage: str, work: Callable[..., Any], *given_to: Any) -> Any:
        begin = time.perf_counter()
        out = work(*given_to)
        took[stage].append(1e3 * (time.perf_counter() - begin))
        return out

    for number, begin in enumerate([*begins[:50], *begins]):
        if number == 50:  # what came before warmed the caches
            for measured in took.values():
                measured.clear()
        whole = time.perf_counter()
        inputs = timed("features", features, int(begin))
        p, e = timed("gat-student", ask, sessions[0], inputs)
        parts, stats = timed("vgae-student", ask, sessions[1], inputs)
        timed("fusion", fused, p, e, parts, stats)
        took["window"].append(1e3 * (time.perf_counter() - whole))
    for stage, measured in took.items():
        for name, q in (("p50", 50), ("p99", 99)):
            value = float(np.percentile(measured, q))
            yield {
                "name": f"latency {stage} {name}", "value": value, "unit": "ms", "n": repetitions,
                "machine": provenance.machine(),
            }  # fmt: skip


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    made = list(rows(parser.parse_args().repetitions))
    whole = {r["name"].rsplit(" ", 1)[1]: r["value"] for r in made if " window " in r["name"]}
    for r in made:
        share = r["value"] / whole[r["name"].rsplit(" ", 1)[1]]
        print(f"{r['name']:28} {r['value']:7.3f} {r['unit']}  {share:5.0%} of a window, {r['n']} windows")


if __name__ == "__main__":
    main()
