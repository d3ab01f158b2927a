"""`python -m tools.live_vectors`: what the live page shares with Python, written from Python.

`paper/figures/live/bus-ranges.json`: what the synthetic bus draws its vehicles from. `paper/figures/test/live-vectors.json`:
frames of the synthetic bus with the features that the engine makes of them, and the scores of the timing
rule, which the page's own code must meet.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeAlias

import numpy as np

from kdgat import atomic
from kdgat.captures.frames import Frames
from kdgat.config import FeatureSet
from kdgat.errors import cli_without_arguments
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import GraphStore
from kdgat.models import rules
from kdgat.paths import REPO
from kdgat.synthetic.attacks import inject
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.vehicle import Vehicle

FIGURES = REPO / "paper" / "figures"
RANGES = FIGURES / "live" / "bus-ranges.json"
VECTORS = FIGURES / "test" / "live-vectors.json"
FEATURE_SETS: tuple[FeatureSet, FeatureSet] = ("profile", "memory")
SIZE = 100
SEED = 8
#: what is done to a drive: its frames and the seconds of its profile in, frames out
Maker: TypeAlias = "Callable[[Frames, float, np.random.Generator], Frames]"
#: (attack, seconds of profile, seconds of traffic after it)
CAPTURES = (("fuzzing", 0.5, 0.25), ("spoofing", 0.5, 0.25), ("odd", 0.2, 0.2), ("quiet", 3.2, 0.5))


def _attacked(kind: str) -> Maker:
    """The attack for 0.15 s, right after the profile."""
    return lambda frames, head, rng: inject(frames, kind, [(head + 0.05, head + 0.2)], 1e-3, rng)


def _quiet(frames: Frames, head: float, rng: np.random.Generator) -> Frames:
    """A vehicle of ten IDs, attacked inside its profile."""
    few = frames.take(np.isin(frames.id, np.unique(frames.id)[:10]))
    return inject(few, "spoofing", [(0.3 * head, 0.45 * head), (head + 0.1, head + 0.2)], 4e-3, rng)


def _odd(frames: Frames, head: float, rng: np.random.Generator) -> Frames:
    """Draw what real recordings hold and a clean bus does not: steps back in time, ties, empty frames, changing lengths."""
    del head
    n = len(frames)
    t = frames.timestamp + np.where(rng.random(n) < 0.05, -0.004, 0)
    t[60:64] = t[60]
    dlc = np.where(rng.random(n) < 0.1, rng.integers(0, 9, n), frames.dlc).astype(np.uint8)
    payload = np.where(np.arange(8) < dlc[:, None], frames.payload, 0).astype(np.uint8)
    ids = frames.id.copy()
    ids[200:300] = ids[200]  # a window of one ID
    return Frames(t, ids, dlc, payload, frames.label)


MADE: dict[str, Maker] = {
    "fuzzing": _attacked("fuzzing"),
    "spoofing": _attacked("spoofing"),
    "odd": _odd,
    "quiet": _quiet,
}


def capture(number: int, attack: str, head: float, tail: float) -> dict[str, Any]:
    """Frames, the vehicle's profile and the graphs of four windows as plain values."""
    rng = np.random.default_rng([SEED, number])
    frames = Vehicle.draw(BUS_RANGES, rng).drive(head + tail, rng)
    frames = MADE[attack](frames, head, rng)
    # as they are written, so that both sides read the same
    frames = replace(frames, timestamp=np.round(frames.timestamp, 9))
    table = frames.to_table()
    quiet = attack == "quiet"
    profile = Profile.fit(table, head, quiet=quiet)
    last = len(frames) - SIZE
    starts = np.unique(np.linspace(0 if attack == "odd" else profile.n_frames, last, 3).astype(np.int64))
    if attack == "odd":
        starts = np.unique([60, 200, *starts])
    store, remembered = (
        GraphStore.build([(attack, attack, table, starts)], SIZE, features, [profile], threads=1)
        for features in FEATURE_SETS
    )
    rule = rules.largest(rules.frame_scores(table, None)[:, 0], starts, SIZE)
    windows = []
    for i, start in enumerate(starts):
        b = store.batch([i])
        windows.append(
            {
                "start": int(start),
                "ids": b.id_code.tolist(),
                "x": _rounded(b.x),
                "memory": _rounded(remembered.batch([i]).x),
                "source": b.edge_index[0].tolist(),
                "target": b.edge_index[1].tolist(),
                "edges": _rounded(b.edge_attr),
                "injected": int(store.injected[i]),
                "rule": float(f"{1 / (1 + np.exp(-rule[i])):.7g}"),
            }
        )
    return {
        "name": attack,
        "profile_seconds": head,
        "quiet": quiet,
        "profile_frames": profile.n_frames,
        "t": frames.timestamp.tolist(),
        "id": frames.id.tolist(),
        "dlc": frames.dlc.tolist(),
        "payload": frames.payload.tobytes().hex(),
        "label": frames.label.tolist(),
        "windows": windows,
    }


def _rounded(values: np.ndarray) -> list[float]:
    """Rows one after the other, seven significant digits."""
    return [float(f"{v:.7g}") for v in values.ravel()]


def vectors() -> dict[str, Any]:
    """All captures."""
    return {"size": SIZE, "captures": [capture(i, *which) for i, which in enumerate(CAPTURES)]}


def main() -> None:
    """Write both files."""
    atomic.write_text(RANGES, json.dumps(asdict(BUS_RANGES), indent=1) + "\n")
    atomic.write_text(VECTORS, json.dumps(vectors(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    cli_without_arguments(main)
