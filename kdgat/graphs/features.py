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

`memory`: `relative`, and what each frame is against the state of its identifier, which is carried through the recording
(`kdgat.graphs.kernels.memory`): the worst frame of the node and the mean, then the same for columns against the `Profile`.
Everything is causal: a frame is judged by the frames before it. Running values are those of the identifier so far.
"""

from __future__ import annotations

from collections.abc import Sequence

from kdgat.config import FeatureSet, FrameColumn

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
_MEMORY_FRAME = (
    "short",  # log2 of the running gap over the gap to the identifier's last frame
    "short_of_least",  # log2 of the least gap, which leaks, over the gap
    "short_in_jitter",  # `short` in running deviations of the gap
    "short_pair",  # log2 of two running gaps over the time since the last frame but one
    "long",  # log2 of the gap over the running gap, 0 if shorter
    "jitter",  # running deviation of the gap, octaves
    "flips",  # share of bits that differ from the identifier's last payload (bytes both have)
    "flip_excess",  # log2 of `flips` over its running mean, 0.02 added to both
    "jump",  # log2 of a byte's change over its running change, 1 added to both: the largest
    "new_bits",  # log2 of 1 + bits that flip and did not in up to 1,024 frames before
    "broken_counters",  # log2 of 1 + nibbles that counted evenly for four frames and do not now
    "out_of_range",  # how far a byte leaves its running range, over 255: the largest
    "dlc_change",
    "joined",  # `age` at the identifier's first frame, halved every 10 s from then on
    "seen",  # log2 of its frames so far
    "age",  # log2 of 1 + seconds since the state was empty, or the bus slept
    "bus_rush",  # log2 of the running gap of the bus over the gap to the frame before
    "overdue",  # share of identifiers that are silent for 4 to 32 of their running gaps
)
_MEMORY_PROFILE = (
    "profile_strange",  # log2 of the frames that the profile should hold of an identifier that it lacks, fading
    "profile_short",  # log2 of the profile's period over the gap
    "profile_short_of_least",  # log2 of its least gap over the gap
    "profile_new_bits",  # log2 of 1 + `new_bits` that did not flip in the profile either
    "profile_out_of_range",  # how far a byte leaves both ranges
    "profile_dlc",  # another DLC than the profile's
)
#: columns of a frame that read its bytes or their number, not its time
OF_PAYLOAD: tuple[FrameColumn, ...] = (
    *("flips", "flip_excess", "jump", "new_bits", "broken_counters", "out_of_range", "dlc_change"),
    *("profile_new_bits", "profile_out_of_range", "profile_dlc"),
)
_MEMORY_WINDOW = ("profile_excess", "profile_log_excess", "profile_missing", "profile_available")  # as in `profile`

#: feature set → (names of node columns, names of edge columns)
FEATURES: dict[FeatureSet, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "published": (_PUBLISHED_NODE, _PUBLISHED_EDGE),
    "relative": (_RELATIVE_NODE, _RELATIVE_EDGE),
    "profile": (_RELATIVE_NODE + _PROFILE_NODE, _RELATIVE_EDGE),
    "memory": (
        (
            *_RELATIVE_NODE,
            *(f"{name}_{of}" for of in ("worst", "mean") for name in _MEMORY_FRAME + _MEMORY_PROFILE),
            *_MEMORY_WINDOW,
        ),
        _RELATIVE_EDGE,
    ),
}


def takes_profile(feature_set: FeatureSet) -> bool:
    """Whether a feature set has columns that a vehicle's profile fills."""
    return "profile_available" in FEATURES[feature_set][0]


def of_profile(feature_set: FeatureSet) -> list[int]:
    """Positions of the node columns that a vehicle's profile fills; they are 0 where there is none."""
    own = len(_RELATIVE_NODE) if feature_set == "profile" else None
    names = FEATURES[feature_set][0]
    return [k for k, name in enumerate(names) if name.startswith("profile_") or (own is not None and k >= own)]


def of_frame_columns(names: Sequence[FrameColumn], columns: Sequence[str]) -> list[int]:
    """Positions among the node's `columns` of the worst and the mean of frame columns of `memory`; it may have none of them."""
    wanted = {f"{name}_{of}" for name in names for of in ("worst", "mean")}
    return [k for k, name in enumerate(columns) if name in wanted]
