"""The profile of a vehicle: what its first seconds of unlabelled traffic say about each identifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat.captures.frames import Frames

#: IDs faster than this (median gap, s) do not enter a profile: an attack that had begun would pass for normal traffic
FASTEST_PERIOD = 4e-3
#: frames an ID needs before its unchanging bytes count as constant
_CONSTANT_FRAMES = 5
#: share of silent seconds from which on an ID is left out of a quiet profile
_SILENT = 0.4


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
        least: f64[K], shortest gap (s) but for one in a hundred, 0 for an ID seen once.
        flipped: u8[K, 8], bits that changed between two frames.
        low, high: u8[K, 8], range of each byte; 0 to 255 for one that no frame had.
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
    least: np.ndarray
    flipped: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, frames: pa.Table, seconds: float = 10.0, *, quiet: bool = False) -> Profile:
        """Take the profile of the first `seconds` of `frames`; labels are not looked at.

        Args:
            frames: a capture.
            seconds: of its traffic.
            quiet: describe each ID by the half of these seconds in which it sends least, and leave out an ID that is
                silent in 40 % of them: what an attack adds in at most half the time then hardly counts.
        """
        t, ids, dlc, payload, _ = Frames.from_table(frames).columns
        late = np.flatnonzero(t - t[:1] >= seconds)
        n = int(late[0]) if len(late) else len(t)
        t, ids, dlc, payload = t[:n], ids[:n], dlc[:n], payload[:n]
        span = max(float(t.max() - t.min()), 1e-6) if n else 1.0
        seconds_of = _Seconds.of(t, span)
        rows = []
        order = np.argsort(ids, kind="stable")
        for of_id in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if n else []:
            sending = seconds_of.calm(of_id, t) if quiet else _Sending.of(of_id, t, span)
            if sending is None:
                continue
            period = float(np.median(sending.gaps)) if len(sending.gaps) else 0.0
            if len(sending.gaps) and period < FASTEST_PERIOD:
                continue
            rate, at = sending.rate, sending.frames
            gaps = np.sort(sending.gaps)
            least = float(gaps[len(gaps) // 100]) if len(gaps) else 0.0
            contents, values = _contents(payload[at], dlc[at]), _values(payload[at], dlc[at])
            rows.append((ids[at[0]], period, rate * span / n, rate, *contents, least, *values))
        columns = zip(*rows, strict=True) if rows else [()] * len(_TYPES)
        arrays = {
            name: np.array(column, kind).reshape(-1, *shape)
            for (name, (kind, *shape)), column in zip(_TYPES.items(), columns, strict=True)
        }
        return cls(seconds, n, **arrays)


#: column of a profile → its type and the shape of a row
_TYPES: dict[str, tuple[Any, ...]] = {
    "id": (np.uint32,),
    **dict.fromkeys(("period", "share", "rate", "change_rate"), (np.float64,)),
    "dlc": (np.uint8,),
    **dict.fromkeys(("constant", "value"), (np.uint8, 8)),
    "least": (np.float64,),
    **dict.fromkeys(("flipped", "low", "high"), (np.uint8, 8)),
}
#: the profile of a vehicle of which nothing is known
NO_PROFILE = Profile(0.0, 0, **{name: np.empty((0, *shape), kind) for name, (kind, *shape) in _TYPES.items()})


@dataclass(frozen=True)
class _Sending:
    """When one ID sends.

    Attributes:
        frames: i64[n], its frames.
        gaps: f64[m], between frames that follow each other (s).
        rate: frames a second.
    """

    frames: np.ndarray
    gaps: np.ndarray
    rate: float

    @staticmethod
    def of(frames: np.ndarray, t: np.ndarray, span: float) -> _Sending:
        """Take all frames of an ID, at the times t f64[N] of a capture that spans `span` seconds."""
        return _Sending(frames, np.maximum(np.diff(t[frames]), 0), len(frames) / span)


@dataclass(frozen=True)
class _Seconds:
    """A stretch of traffic cut into bins of about a second.

    Attributes:
        number: i64[N], bin of each frame.
        count: bins.
        span: length of the stretch (s).
    """

    number: np.ndarray
    count: int
    span: float

    @staticmethod
    def of(t: np.ndarray, span: float) -> _Seconds:
        """Cut frames at the times t f64[N], which span `span` seconds."""
        count = max(round(span), 2)
        return _Seconds(np.clip(((t - t[:1]) * count / span).astype(np.int64), 0, count - 1), count, span)

    def calm(self, frames: np.ndarray, t: np.ndarray) -> _Sending | None:
        """Take an ID's frames from the half of the bins in which it sends least; None if it is silent in too many."""
        number = self.number[frames]
        sent = np.bincount(number, minlength=self.count)
        if (sent == 0).sum() >= _SILENT * self.count:
            return None
        calm = np.argsort(sent, kind="stable")[: (self.count + 1) // 2]
        inside = np.isin(number, calm)
        gaps = np.maximum(np.diff(t[frames]), 0)[(np.diff(number) == 0) & inside[1:]]
        kept = frames[inside]
        return _Sending(kept, gaps, len(kept) / (self.span * len(calm) / self.count))


def _contents(payload: np.ndarray, dlc: np.ndarray) -> tuple[float, int, np.ndarray, np.ndarray]:
    """Change rate, most frequent DLC, constant bytes u8[8] and first payload u8[8] of an ID's frames u8[n, 8], u8[n]."""
    change = (payload[1:] != payload[:-1]).any(axis=1) | (dlc[1:] != dlc[:-1])
    same = (payload == payload[0]).all(axis=0) & (np.arange(8) < dlc.min())
    constant = np.where(same & (len(payload) >= _CONSTANT_FRAMES), 255, 0)
    return float(change.mean()) if len(change) else 0.0, int(np.bincount(dlc).argmax()), constant, payload[0]


def _values(payload: np.ndarray, dlc: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bits that flip between frames u8[8], least and greatest value of each byte u8[8] of an ID's frames u8[n, 8], u8[n]."""
    held = np.arange(8) < dlc[:, None]
    flips = np.where(held[1:] & held[:-1], payload[1:] ^ payload[:-1], 0)
    some = held.any(axis=0)
    low = np.where(some, np.where(held, payload, 255).min(axis=0), 0)
    high = np.where(some, np.where(held, payload, 0).max(axis=0), 255)
    return np.bitwise_or.reduce(flips, axis=0, initial=0, dtype=np.uint8), low, high
