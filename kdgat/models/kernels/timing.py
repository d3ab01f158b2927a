"""Timing rules with memory: one pass over the frames of a recording, state of O(identifiers)."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel

FLOOR = 1e-6  # s, under any gap two frames can have on a bus


@kernel
def early(t, code, known, period, length, n_last, least_gaps, n_bin, out):  # noqa: C901, PLR0913, PLR0915
    """How much too early each frame comes, and how many too many frames its identifier has sent of late.

    Args:
        t: f64[N], s; code: i64[N], number of each frame's identifier.
        known, period: f64[K], the shortest and the median gap (s) that a profile knows of an identifier, 0 for none; with a
            profile of `length` s (else 0) an identifier that it lacks counts as sent once in so long, which halves with
            every `length` since it joined: one that was silent in the profile is not strange for ever.
        n_last: gaps that the running median is taken of; least_gaps: below so many there is none.
        n_bin: usual gaps that make the bin in which frames are counted, at most `n_last`.
        out: f64[N, 2], log(usual gap / gap to the last frame), and log(frames in the bin / `n_bin`); −inf where the
            identifier's usual gap is not known yet, or time stepped back.
    """
    n_ids = len(known)
    ranked = np.empty((n_ids, n_last), np.float64)  # its last gaps in ascending order
    ring = np.empty((n_ids, n_last), np.float64)  # the same in order of time
    times = np.empty((n_ids, n_last), np.float64)  # its last frames
    gaps = np.zeros(n_ids, np.int64)
    frames = np.zeros(n_ids, np.int64)
    last = np.empty(n_ids, np.float64)
    joined = np.empty(n_ids, np.float64)
    for i in range(len(t)):
        c = code[i]
        now = t[i]
        out[i, 0] = -np.inf
        out[i, 1] = -np.inf
        if frames[c] == 0:
            joined[c] = now
        n = min(gaps[c], n_last)
        usual = 0.0
        if known[c] > 0:
            usual = known[c]
        elif n >= least_gaps:
            usual = 0.5 * (ranked[c, (n - 1) // 2] + ranked[c, n // 2])
        if length > 0 and known[c] == 0:
            usual = max(usual, length * 0.5 ** (max(now - joined[c], 0.0) / length))
        gap = now - last[c] if frames[c] > 0 else length
        if usual > 0 and gap >= 0 and (frames[c] > 0 or (length > 0 and known[c] == 0)):
            # the first frame of an identifier that the profile lacks: as if it had been sent at the profile's fastest
            if frames[c] == 0:
                gap = usual
                for k in range(n_ids):
                    if known[k] > 0:
                        gap = min(gap, known[k])
            out[i, 0] = np.log((usual + FLOOR) / (gap + FLOOR))
            counted = 1
            if known[c] > 0:
                usual = period[c]
            for k in range(min(frames[c], n_last)):
                if now - times[c, (frames[c] - 1 - k) % n_last] >= n_bin * usual:
                    break
                counted += 1
            out[i, 1] = np.log(counted / n_bin)
        if frames[c] > 0 and now >= last[c]:
            # the oldest gap leaves the ranking, the new one enters
            gap = now - last[c]
            if n == n_last:
                old = ring[c, gaps[c] % n_last]
                k = 0
                while ranked[c, k] != old:
                    k += 1
                for j in range(k, n - 1):
                    ranked[c, j] = ranked[c, j + 1]
                n -= 1
            j = n
            while j > 0 and ranked[c, j - 1] > gap:
                ranked[c, j] = ranked[c, j - 1]
                j -= 1
            ranked[c, j] = gap
            ring[c, gaps[c] % n_last] = gap
            gaps[c] += 1
        times[c, frames[c] % n_last] = now
        frames[c] += 1
        last[c] = now
