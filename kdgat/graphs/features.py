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

from kdgat.config import FeatureSet

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
