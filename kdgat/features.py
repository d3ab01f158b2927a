"""Feature sets of window graphs, the profile of a vehicle, and the scaler.

W frames of a window, its duration T (last − first time stamp), c frames of a node's ID. Time differences are clipped at
0 where a recorder stepped back; what cannot be computed (one frame only, no bytes, T = 0) is 0. Bytes at or beyond a
frame's DLC are no data and never enter.

`published`: the node and edge features of KD-GAT (arXiv 2507.19686) and its successor (arXiv 2508.04845), in their
units (bytes 0–255, seconds, counts). Kept: what is described. Mended: DLC mask instead of zero padding; entropy (bits)
of the histogram of a frame's bytes, averaged over frames, instead of byte magnitudes; skewness and excess kurtosis of
all bytes of the node; clustering of the simple undirected graph (≤ 1); split-half ratio = share of the ID's frames in
the first half of its own window; degrees count distinct neighbours other than the node; edges are unique and hold the
mean over their transitions; the inter-arrival of an edge is t(target frame) − t(source frame) of the very transition.

`relative`: nothing that tells vehicles apart by itself: no ID, no absolute count, time or payload level. Logarithms are
of base 2, with 1 µs added to both times of a ratio, clipped to ±10. "Repeat": a frame with an earlier one of the same
ID in the window.

`profile`: `relative` and how the window deviates from the vehicle's `Profile`; zeros where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat.captures import frame_arrays
from kdgat.config import FeatureSet
from kdgat.errors import KdgatError

_PUBLISHED_NODE = (
    *(f"byte{k}_mean" for k in range(8)),
    *(f"byte{k}_std" for k in range(8)),
    *(f"byte{k}_range" for k in range(8)),
    "count",
    "payload_entropy",
    "payload_skewness",
    "payload_kurtosis",
    "clustering",
    "split_half",  # share of the frames in the first half of the window
    "change_rate",  # share of repeats whose payload or DLC differs from the frame before
    "iat_mean",
    "iat_std",
    "in_degree",
    "out_degree",
)
_PUBLISHED_EDGE = ("iat", *(f"byte{k}_difference" for k in range(8)), "bidirectional", "count")

_RELATIVE_NODE = (
    "share",  # c/W
    "count_rank",  # share of the other nodes with a lower count, ties counted half
    "log_count",  # log2 of c over the window's median count
    "singleton",  # c = 1
    "gap_cv",  # standard deviation of the ID's gaps over their mean
    "gap_min",  # shortest gap over the mean
    "gap_max",  # log(1 + longest gap over the mean)
    "log_gap",  # log2 of the mean gap over the median of all nodes' mean gaps
    "span",  # (last − first frame)/T
    "split_half",  # share of the frames in the first half of the window
    "hamming_mean",  # share of bits that differ between repeat and predecessor (bytes both have): mean
    "hamming_std",  # and standard deviation
    "change_rate",  # share of repeats whose payload or DLC differs
    "varying_bytes",  # share of byte positions (all frames have) that change at least once
    "dlc_changes",  # share of repeats with another DLC
    "byte_entropy",  # entropy of the histogram of all bytes over its maximum, log of their number
    "before_mean",  # log2 of the bus gap before the ID's frames over the window's median bus gap: mean
    "before_min",  # and least
    "after_mean",  # the same for the gap after them
    "after_min",
    "in_degree",  # distinct predecessors other than the node, over c
    "out_degree",  # distinct successors other than the node, over c
    "self_loops",  # transitions to itself over c
)
_RELATIVE_EDGE = (
    "share",  # transitions k over W − 1
    "of_source",  # k over the source's count
    "of_target",  # k over the target's count
    "bidirectional",
    "self_loop",
    "log_gap_mean",  # log2 of the gap over the window's median bus gap: mean over transitions
    "log_gap_min",
    "log_gap_std",
    "hamming",  # share of bits that differ between the two payloads (bytes both have): mean
    "equal_dlc",  # share of transitions between frames of the same DLC
)
_PROFILE_NODE = (
    "unknown",  # the profile does not have the ID; the columns below are then neutral
    "excess",  # (c − rate·T)/W
    "log_excess",  # log2 of c over rate·T
    "fast_gaps",  # share of gaps under half the profile's period
    "gap_over_period",  # shortest gap over the period, at most 2; 1 without a gap or period
    "dlc_mismatch",  # share of frames with another DLC than the profile's
    "change_excess",  # change rate − the profile's
    "broken_constants",  # share of frames in which a byte that was constant has another value
    "missing",  # of the window: frames the profile's IDs are short of rate·T, over W
    "profile_available",
)

#: feature set → (names of node columns, names of edge columns)
FEATURES: dict[FeatureSet, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "published": (_PUBLISHED_NODE, _PUBLISHED_EDGE),
    "relative": (_RELATIVE_NODE, _RELATIVE_EDGE),
    "profile": (_RELATIVE_NODE + _PROFILE_NODE, _RELATIVE_EDGE),
}

#: IDs faster than this (median gap, s) do not enter a profile: an attack that had begun would pass for normal traffic
FASTEST_PERIOD = 4e-3
#: frames an ID needs before its unchanging bytes count as constant
_CONSTANT_FRAMES = 5


@dataclass(frozen=True)
class Profile:
    """What a vehicle's first seconds of unlabelled traffic say about its IDs.

    Attributes:
        seconds: length asked for (s).
        n_frames: frames it was taken from: windows that start before frame `n_frames` of the capture are not scored.
        id: u32[K], ascending; dropped IDs are left out.
        period: f64[K], median gap (s), 0 for an ID seen once.
        share: f64[K], of all frames.
        rate: f64[K], frames a second.
        change_rate: f64[K], share of repeats whose payload or DLC differs.
        dlc: u8[K], the most frequent one.
        constant: u8[K, 8], 255 for byte positions (below the least DLC) that never changed, else 0.
        value: u8[K, 8], payload of the ID's first frame: what the constant bytes hold.
    """

    seconds: float
    n_frames: int
    id: np.ndarray
    period: np.ndarray
    share: np.ndarray
    rate: np.ndarray
    change_rate: np.ndarray
    dlc: np.ndarray
    constant: np.ndarray
    value: np.ndarray

    @classmethod
    def fit(cls, frames: pa.Table, seconds: float = 10.0, *, quiet: bool = False) -> Profile:
        """The profile of the first `seconds` of `frames`; labels are not looked at.

        Args:
            frames: a capture.
            seconds: of its traffic.
            quiet: describe each ID by the half of these seconds in which it sends least, and leave out an ID that is
                silent in 40 % of them: what an attack adds in at most half the time then hardly counts.
        """
        t, ids, dlc, payload, _ = frame_arrays(frames)
        late = np.flatnonzero(t - t[:1] >= seconds)
        n = int(late[0]) if len(late) else len(t)
        t, ids, dlc, payload = t[:n], ids[:n], dlc[:n], payload[:n]
        span = max(float(t.max() - t.min()), 1e-6) if n else 1.0
        bins = max(round(span), 2)
        second = np.clip(((t - t[:1]) * bins / span).astype(np.int64), 0, bins - 1)
        rows = []
        order = np.argsort(ids, kind="stable")
        for of_id in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if n else []:
            gaps = np.maximum(np.diff(t[of_id]), 0)
            rate = len(of_id) / span
            if quiet:
                sent = np.bincount(second[of_id], minlength=bins)
                if (sent == 0).sum() >= 0.4 * bins:
                    continue
                calm = np.argsort(sent, kind="stable")[: (bins + 1) // 2]
                together = np.diff(second[of_id]) == 0
                of_id, gaps = of_id[np.isin(second[of_id], calm)], gaps[together & np.isin(second[of_id[1:]], calm)]
                rate = len(of_id) / (span * len(calm) / bins)
            period = float(np.median(gaps)) if len(gaps) else 0.0
            if len(gaps) and period < FASTEST_PERIOD:
                continue
            bytes_, lengths = payload[of_id], dlc[of_id]
            change = (bytes_[1:] != bytes_[:-1]).any(axis=1) | (lengths[1:] != lengths[:-1])
            same = (bytes_ == bytes_[0]).all(axis=0) & (np.arange(8) < lengths.min())
            rows.append(
                (
                    ids[of_id[0]],
                    period,
                    rate * span / n,
                    rate,
                    change.mean() if len(change) else 0.0,
                    np.bincount(lengths).argmax(),
                    np.where(same & (len(of_id) >= _CONSTANT_FRAMES), 255, 0),
                    bytes_[0],
                )
            )
        columns = list(zip(*rows, strict=True)) if rows else [()] * 8
        types = (np.uint32, np.float64, np.float64, np.float64, np.float64, np.uint8)
        flat = [np.array(column, kind) for column, kind in zip(columns[:6], types, strict=True)]
        wide = [np.array(column, np.uint8).reshape(-1, 8) for column in columns[6:]]
        return cls(seconds, n, *flat, *wide)


@dataclass(frozen=True)
class Scaler:
    """Standardisation: (x − mean)/scale, clipped to ±10. A constant column has scale 1.

    Attributes:
        mean, scale: f32[F].
    """

    mean: np.ndarray
    scale: np.ndarray

    CLIP = 10.0

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaler:
        """Fit on rows `x` f32[N, F]: those of benign training windows, which is the caller's to see to."""
        if not len(x):
            raise KdgatError("no benign training rows to fit a scaler on")
        mean = x.mean(axis=0, dtype=np.float64)
        deviation = x.std(axis=0, dtype=np.float64)
        constant = deviation <= 1e-6 * np.maximum(1.0, np.abs(mean))
        return cls(mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`x` f32[N, F] standardised, a new array."""
        return np.clip((x - self.mean) / self.scale, -self.CLIP, self.CLIP)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values, for JSON."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scaler:
        """The reverse of `to_dict`."""
        return cls(np.array(values["mean"], np.float32), np.array(values["scale"], np.float32))
