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

from analysis.checks import released
from analysis.releases.release import Release
from benchmarks.row import row
from kdgat.captures.frames import Frames
from kdgat.dataset.protocols import profile_of
from kdgat.dataset.sources import captures
from kdgat.errors import cli
from kdgat.graphs.features import FEATURES
from kdgat.graphs.kernels import build
from kdgat.graphs.kernels.state import COLUMNS, State
from kdgat.graphs.profile import Profile

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPETITIONS = 2000
#: windows that are not counted, while caches fill
WARM_UP = 50


class Pipeline:
    """The current release's students of one seed, from frames to the fused score.

    Args:
        release: whose students.
    """

    def __init__(self, release: Release) -> None:
        import onnxruntime
        import torch

        from kdgat.experiment.detect import Calibration, Moments

        torch.set_num_threads(1)
        dataset = sorted(release.manifest["datasets"])[0]
        seed = released.seeds(release, dataset)[0]
        self.config = released.configuration(release, dataset, seed)
        (_, self.scalers), (vgae, _), (fusion, _) = (
            released.student(release, dataset, seed, m) for m in ("gat-student", "vgae-student", "fusion-dqn-student")
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                fusion.model(), (torch.zeros(1, 15),), dynamo=True, input_names=["state"], verbose=False
            )
        assert program is not None
        self.gat, self.vgae, self.values = (
            onnxruntime.InferenceSession(data, options)
            for data in (
                release.weight(f"weights/{dataset}/gat-student-s{seed}.onnx"),
                release.weight(f"weights/{dataset}/vgae-student-s{seed}.onnx"),
                program.model_proto.SerializeToString(),
            )
        )
        self.calibration, self.moments = Calibration.from_meta(vgae.meta), Moments.from_meta(fusion.meta)
        self.share = FEATURES[self.config.features][0].index("share")

    def features(self, window: Frames, profile: Profile, state: State) -> dict[str, np.ndarray]:
        """Standardised inputs of both students, of the window that follows what `state` has seen."""
        size, starts = self.config.windows.size, [np.zeros(1, np.int64)]
        remembered = None
        if self.config.features == "memory":
            row, columns = np.arange(size), np.empty((size, COLUMNS), np.float32)
            state.advance(window, 0, size, row, columns)
            remembered = [(row, columns)]
        graph = build.graphs([window], starts, size, self.config.features, [profile], remembered, threads=1)
        shares = graph["x"][:, self.share]
        return {
            "x": self.scalers.nodes(graph["x"]),
            "edge_index": np.asarray(graph["edge_index"], np.int64),
            "edge_attr": self.scalers.edges(graph["edge_attr"]),
            "share": shares / shares.sum(),
            "id_code": np.asarray(graph["id_code"], np.int64),
        }

    @staticmethod
    def ask(session: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs of one student."""
        return session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})

    def fused(self, p: np.ndarray, embedding: np.ndarray, parts: np.ndarray, stats: np.ndarray) -> float:
        """The fused score of one window, from what both students say."""
        from kdgat.experiment.detect import standardised
        from kdgat.models.fusion_input import ALPHAS, FusionInput, state

        error = self.calibration.moments.standardised(parts)
        anomaly = self.calibration.cdf(error.mean(1))
        data = FusionInput(state(error, stats, anomaly, p, embedding), anomaly, p, np.zeros(1, np.int64))
        scaled = standardised(data, self.moments.mean, self.moments.std).state
        return float(data.fused(ALPHAS[self.values.run(None, {"state": scaled})[0].argmax(1)])[0])


def measure(pipeline: Pipeline, repetitions: int) -> dict[str, list[float]]:
    """Stage → milliseconds of each window, on an attacked drive of the synthetic bus."""
    capture = next(c for c in captures("synthetic") if c.split == "test_01" and c.attack != "benign")
    table, size = capture.frames(), pipeline.config.windows.size
    profile, frames = profile_of(table, pipeline.config), Frames.from_table(table)
    state, ends = State(profile), range(profile.n_frames, table.num_rows - size, size)
    begins = [ends[i % len(ends)] for i in range(WARM_UP + repetitions)]  # from the start again after the end
    took: dict[str, list[float]] = {s: [] for s in ("features", "gat-student", "vgae-student", "fusion", "window")}

    def timed(stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.perf_counter()
        out = work(*arguments)
        took[stage].append(1e3 * (time.perf_counter() - begin))
        return out

    def window(begin: int) -> None:
        inputs = timed("features", pipeline.features, frames.slice(begin, begin + size), profile, state)
        p, embedding = timed("gat-student", pipeline.ask, pipeline.gat, inputs)
        parts, stats = timed("vgae-student", pipeline.ask, pipeline.vgae, inputs)
        timed("fusion", pipeline.fused, p, embedding, parts, stats)

    for begin in begins[:WARM_UP]:
        window(begin)
    for milliseconds in took.values():
        milliseconds.clear()
    for begin in begins[WARM_UP:]:
        timed("window", window, begin)
    return took


def rows(repetitions: int = REPETITIONS) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`."""
    for stage, milliseconds in measure(Pipeline(Release.open()), repetitions).items():
        for name, q in (("p50", 50), ("p99", 99)):
            quantile = row(f"latency {stage} {name}", [float(np.percentile(milliseconds, q))], "ms")
            yield quantile | {"n": repetitions}


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    table = list(rows(parser.parse_args().repetitions))
    whole = {r["name"].rsplit(" ", 1)[1]: r["value"] for r in table if " window " in r["name"]}
    for r in table:
        share = r["value"] / whole[r["name"].rsplit(" ", 1)[1]]
        print(f"{r['name']:28} {r['value']:7.3f} {r['unit']}  {share:5.0%} of a window, {r['n']} windows")


if __name__ == "__main__":
    cli(main)
