"""The state of identifiers the slow, obvious way: dictionaries of plain values. What the kernels are held to."""

from __future__ import annotations

from math import inf, log2
from typing import Any

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.graphs.features import FEATURES
from kdgat.graphs.profile import Profile

TICK = 1e-6


def clip(value: float, low: float = -10.0, high: float = 10.0) -> float:
    return min(high, max(low, value))


def log_gap(seconds: float) -> float:
    return log2(max(0.0, seconds) + TICK)


def weight(k: int, most: float, speed: float, elapsed: float) -> float:
    return max(1 / k, most) if k <= 64 else min(most, speed * elapsed)


def nibbles(data: bytes) -> list[int]:
    """Low and high half of each of eight bytes."""
    return [half for byte in data.ljust(8, b"\0") for half in (byte & 15, byte >> 4)]


class Reference:
    """One pass over frames, a dictionary of columns for each."""

    def __init__(self, profile: Profile | None = None) -> None:
        self.known = {} if profile is None else {int(i): k for k, i in enumerate(profile.id)}
        self.profile = profile
        self.states: dict[int, dict[str, Any]] = {}
        self.epoch = 0
        self.last = self.since = self.running = None
        self.gaps = 0
        self.turn = 0

    def frame(self, t: float, identifier: int, data: bytes) -> dict[str, float]:
        """Columns of the next frame."""
        c: dict[str, float] = {}
        if self.last is None or not -1.0 <= t - self.last <= 2.0:
            self.epoch += 1
            self.since = t
            for other in self.states.values():
                other["overdue"] = False
        else:
            gap = log_gap(t - self.last)
            if self.running is None:
                self.running = gap
            else:
                c["bus_rush"] = clip(self.running - gap)
                self.running += max(1 / (self.gaps + 1), 1 / 64) * clip((gap - self.running) / 0.25, -1, 1)
            self.gaps += 1
        self.last = t
        age = c["age"] = min(log2(1 + max(0.0, t - self.since)), 10)
        s = self.states.get(identifier)
        gap_now, fresh = -inf, set()
        if s is None:
            s = self.states[identifier] = {
                "first": t, "joined": age, "count": 0, "gaps": 0, "overdue": False, "before": None, "deltas": [],
                "range": {j: [float(b), float(b)] for j, b in enumerate(data)}, "move": dict.fromkeys(range(8), 0.0),
                "flips": [set(), set()], "change": 0.0,
            }  # fmt: skip
        else:
            if s["epoch"] == self.epoch:
                gap_now = self.timing(t, s, c)
                s["overdue"] = False
            else:
                s["before"], s["deltas"] = None, []
            fresh = self.payload(t, data, s, c)
        s.update(epoch=self.epoch, data=data, t=t, count=s["count"] + 1)
        c["joined"] = s["joined"] * 2 ** (-max(0.0, t - s["first"]) / 10)
        c["seen"] = min(log2(s["count"]), 10)
        c["overdue"] = self.overdue(t)
        if self.profile is not None:
            self.against_profile(t, identifier, data, s, gap_now, fresh, c)
        return c

    def timing(self, t: float, s: dict[str, Any], c: dict[str, float]) -> float:
        gap = log_gap(t - s["t"])
        k = s["gaps"] = s["gaps"] + 1
        if k == 1:
            s.update(gap=gap, least=gap, jitter=0.25)
        else:
            short = s["gap"] - gap
            c["short"], c["short_of_least"] = clip(short), clip(s["least"] - gap)
            c["short_in_jitter"] = clip(short / max(s["jitter"], 0.05))
            if s["before"] is not None:
                c["short_pair"] = clip(s["gap"] + 1 - log_gap(t - s["before"]))
            c["long"] = clip(-short, 0)
            step = weight(k, 1 / 64, 1 / 8, max(0.0, t - s["t"]))
            s["jitter"] = max(0.0, s["jitter"] + step * clip((min(abs(short), 1.0) - s["jitter"]) / 0.25, -1, 1))
            s["gap"] -= step * clip(short / 0.25, -1, 1)
            if gap < s["least"]:
                s["least"] -= max(1 / k, 1 / 8) * min(1.0, s["least"] - gap)
            else:
                s["least"] += min(1.0, gap - s["least"]) / 512
        c["jitter"] = s["jitter"]
        s["before"] = s["t"]
        return gap

    def payload(self, t: float, data: bytes, s: dict[str, Any], c: dict[str, float]) -> set[int]:
        old, n = s["data"], s["count"]
        both = min(len(data), len(old))
        flips = {8 * j + k for j in range(both) for k in range(8) if (data[j] ^ old[j]) >> k & 1}
        share = len(flips) / (8 * both) if both else 0.0
        elapsed = max(0.0, t - s["t"]) if s["epoch"] == self.epoch else 0.0
        step, widen = weight(n, 1 / 32, 1 / 4, elapsed), weight(n, 1 / 4, 4, elapsed)
        c["flips"] = share
        if n > 1:
            c["flip_excess"] = clip(log2((share + 0.02) / (s["change"] + 0.02)))
        s["change"] += step * (share - s["change"])
        jump, outside = 1.0, 0.0
        for j, byte in enumerate(data):
            if j >= both:
                s["range"][j], s["move"][j] = [float(byte), float(byte)], 0.0
                continue
            move = abs(byte - old[j])
            jump = max(jump, (move + 1) / (s["move"][j] + 1))
            s["move"][j] += step * (move - s["move"][j])
            low, high = s["range"][j]
            outside = max(outside, (byte - high) / 255, (low - byte) / 255)
            leak = (high - low) / 512
            high = high + widen * (byte - high) if byte > high else high - leak
            low = low - widen * (low - byte) if byte < low else low + leak
            s["range"][j] = [low, high]
        c["jump"], c["out_of_range"] = log2(jump), outside
        fresh = flips - s["flips"][0] - s["flips"][1]
        c["new_bits"] = log2(1 + len(fresh))
        s["flips"][1] |= flips
        if n % 512 == 0:
            s["flips"] = [s["flips"][1], set()]
        delta = [(a - b) % 16 for a, b in zip(nibbles(data), nibbles(old), strict=True)]
        if len(s["deltas"]) >= 4:
            broken = [
                k for k in range(2 * both)
                if s["deltas"][-1][k] and len({d[k] for d in s["deltas"][-4:]}) == 1 and delta[k] != s["deltas"][-1][k]
            ]  # fmt: skip
            c["broken_counters"] = log2(1 + len(broken))
        s["deltas"] = [*s["deltas"][-3:], delta]
        c["dlc_change"] = float(len(data) != len(old))
        return fresh

    def overdue(self, t: float) -> float:
        """One identifier in turn is looked at for each frame."""
        states = list(self.states.values())
        s = states[self.turn % len(states)]
        self.turn = self.turn % len(states) + 1
        if s["epoch"] == self.epoch and s["gaps"] > 2 and s["jitter"] < 0.5:
            s["overdue"] = 2 < log_gap(t - s["t"]) - s["gap"] < 5
        return sum(s["overdue"] for s in states) / len(states)

    def against_profile(self, t, identifier, data, s, gap, fresh, c) -> None:
        p, k = self.profile, self.known.get(identifier)
        if k is None:
            expected = p.seconds / 2 ** s["gap"] if s["gaps"] else p.seconds
            c["profile_strange"] = min(log2(1 + expected), 10) * 2 ** (-max(0.0, t - s["first"]) / 10)
            return
        if gap > -inf and p.period[k] > 0:
            c["profile_short"] = clip(log_gap(p.period[k]) - gap)
            c["profile_short_of_least"] = clip(log_gap(p.least[k]) - gap)
        c["profile_new_bits"] = log2(1 + sum(not p.flipped[k, bit // 8] >> bit % 8 & 1 for bit in fresh))
        over = [max(b - float(p.high[k, j]), float(p.low[k, j]) - b) for j, b in enumerate(data[: p.dlc[k]])]
        c["profile_out_of_range"] = min(max([0.0, *over]) / 255, c.get("out_of_range", 0.0))
        c["profile_dlc"] = float(len(data) != p.dlc[k])


def window_columns(
    frames: Frames, starts: np.ndarray, size: int, profile: Profile | None, resets: tuple[int, ...] = (0,)
) -> dict[tuple[int, int], list[float]]:
    """Columns of `memory` beyond those of `relative`, for each (window, identifier)."""
    names = FEATURES["memory"][0][len(FEATURES["relative"][0]) :]
    columns: dict[int, dict[str, float]] = {}
    for f in range(resets[0], len(frames)):
        if f in resets:
            reference = Reference(profile)
        data = bytes(frames.payload[f, : frames.dlc[f]])
        columns[f] = reference.frame(float(frames.timestamp[f]), int(frames.id[f]), data)
    features = {}
    for b, start in enumerate(starts):
        inside = range(start, start + size)
        duration = max(0.0, float(frames.timestamp[inside[-1]] - frames.timestamp[start]))
        counts = {int(i): int((frames.id[start : start + size] == i).sum()) for i in frames.id[start : start + size]}
        missing = 0.0
        if profile is not None:
            missing = sum(
                max(0.0, rate * duration - counts.get(int(i), 0))
                for i, rate in zip(profile.id, profile.rate, strict=True)
            )
        for identifier, c in counts.items():
            own = [columns[f] for f in inside if int(frames.id[f]) == identifier]
            row = {}
            for name in {name for column in own for name in column}:
                values = [column.get(name, 0.0) for column in own]
                row[f"{name}_worst"], row[f"{name}_mean"] = max(values), sum(values) / c
            if profile is not None:
                row["profile_available"], row["profile_missing"] = 1.0, missing / size
                at = np.flatnonzero(profile.id == identifier)
                if len(at):
                    expected = float(profile.rate[at[0]]) * duration
                    row["profile_excess"] = (c - expected) / size
                    row["profile_log_excess"] = clip(log2(c / max(expected, TICK)))
            assert not set(row) - set(names)
            features[b, identifier] = [row.get(name, 0.0) for name in names]
    return features
