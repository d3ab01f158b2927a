"""State of each identifier, carried through the recording: a row of columns for each frame, then worst and mean for each node.

What a running estimate can be moved by is bounded for each frame and for each second, so that neither many forged frames nor a
long attack takes it far, and estimates of extremes leak, so that they recover. Gaps are kept as log2 of seconds.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel
from kdgat.graphs.kernels.common import LOG2, bits, mask
from kdgat.graphs.kernels.relative import FLOOR, LIMIT

#: columns of a frame without and with what its identifier's profile adds (`kdgat.graphs.features`)
FRAME_COLUMNS = 18
PROFILE_COLUMNS = 6
#: node columns besides: excess, log_excess, missing, profile_available
WINDOW_COLUMNS = 4

WARM = 64  # frames of an identifier from which on seconds count, and no longer frames
STEP, SPEED = 1 / 64, 1 / 8  # octaves that a frame, and a second, can then move a running gap by
SOFT = 0.25  # octaves from which on a deviation counts no more than this
RISE = 1 / 512  # share of the distance that the least gap rises back, for each frame
FALL = 1 / 8  # share of the distance (at most an octave) by which a shorter gap lowers it
CHANGE, CHANGE_SPEED = 1 / 32, 1 / 4  # weight of a frame, and of a second, in the running payload change
WIDEN, WIDEN_SPEED = 1 / 4, 4.0  # share of the distance by which a value widens its range: of a frame, and of a second
LEAK = 1 / 512  # share of its width by which a value's range narrows, for each frame
GENERATION = 512  # frames of an identifier after which the older generation of flipped bits is forgotten
LEAST_JITTER = 0.05  # octaves; a steadier identifier's gaps are judged as if they scattered so much
BACK = 1.0  # s; a step back in time by more is another recording
PAUSE = 2.0  # s; a bus that was silent for longer has slept
LATE, GONE = 2.0, 5.0  # octaves over its running gap from which on an identifier is overdue, and has left
REGULAR = 0.5  # octaves of jitter; an identifier with more cannot be overdue
FADE = 10.0  # s in which an identifier that joined late, or that the profile lacks, becomes half as strange

# columns of the state, one row per identifier
T, T_BEFORE, FIRST, GAP, LEAST, JITTER, HAMMING, JOINED, MOVE, LOW, HIGH, FLOATS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32
WORD, FLIPPED_OLD, FLIPPED, DELTA, WORDS = 0, 1, 2, 3, 7
DLC, COUNT, GAPS, DELTAS, EPOCH, IS_LATE, PROFILE, INTEGERS = 0, 1, 2, 3, 4, 5, 6, 7
# of the bus
BUS_T, SINCE, BUS_GAP, FRAMES, BUS_EPOCH, NEXT, LATE_COUNT, IDENTIFIERS, BUS_GAPS, BUS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

_NIBBLE_LOW = np.uint64(0x1111111111111111)
_NIBBLE_HIGH = np.uint64(0x8888888888888888)
_GOLDEN = np.uint32(0x9E3779B1)


@kernel
def _clip(value, low, high):
    return min(high, max(low, value))


@kernel
def _nibble_difference(a, b):
    """a − b modulo 16 for each of the 16 nibbles of two u64."""
    a, b = np.uint64(a), np.uint64(b)
    return ((a | _NIBBLE_HIGH) - (b & ~_NIBBLE_HIGH)) ^ ((a ^ ~b) & _NIBBLE_HIGH)


@kernel
def _nibbles(word):
    """The lowest bit of each nibble of a u64 that is not 0."""
    word = np.uint64(word)
    word |= word >> np.uint64(1)
    word |= word >> np.uint64(2)
    return word & _NIBBLE_LOW


@kernel
def find(slot, keys, key):
    """Number of an identifier, or −1 − (its free place in `slot`) if it is new."""
    last = np.uint32(len(slot) - 1)
    at = np.uint32(np.uint32(key * _GOLDEN) >> np.uint32(7)) & last
    while slot[at] >= 0:
        if keys[slot[at]] == key:
            return np.int64(slot[at])
        at = (at + np.uint32(1)) & last
    return -1 - np.int64(at)


@kernel
def _bus(time, bus, out):
    """Age of the state (column 15) and the bus gap before the frame against the running one (16); a pause or a step back
    begins an epoch, in which no gap reaches back to the one before."""
    gap = time - bus[BUS_T]
    if bus[FRAMES] == 0 or gap < -BACK or gap > PAUSE:
        bus[BUS_EPOCH] += 1
        bus[SINCE] = time
        bus[LATE_COUNT] = 0
    else:
        log_gap = np.log2(max(gap, 0.0) + FLOOR)
        if bus[BUS_GAPS]:
            out[16] = _clip(bus[BUS_GAP] - log_gap, -LIMIT, LIMIT)
            step = max(1 / (bus[BUS_GAPS] + 1), STEP)
            bus[BUS_GAP] += step * _clip((log_gap - bus[BUS_GAP]) / SOFT, -1.0, 1.0)
        else:
            bus[BUS_GAP] = log_gap
        bus[BUS_GAPS] += 1
    bus[FRAMES] += 1
    bus[BUS_T] = time
    out[15] = min(np.log2(1 + max(0.0, time - bus[SINCE])), LIMIT)


@kernel
def _overdue(time, bus, floats, integers):
    """Look at the next identifier in turn: it is overdue from 4 to 32 running gaps without a frame. Share of them so far."""
    known = np.int64(bus[IDENTIFIERS])
    if known == 0:
        return 0.0
    i = np.int64(bus[NEXT]) % known
    bus[NEXT] = i + 1
    if integers[i, EPOCH] == bus[BUS_EPOCH] and integers[i, GAPS] > 2 and floats[i, JITTER] < REGULAR:
        silent = np.log2(max(time - floats[i, T], 0.0) + FLOOR) - floats[i, GAP]
        late = LATE < silent < GONE
        if late != (integers[i, IS_LATE] == bus[BUS_EPOCH]):
            integers[i, IS_LATE] = np.int64(bus[BUS_EPOCH]) if late else 0
            bus[LATE_COUNT] += 1 if late else -1
    return bus[LATE_COUNT] / known


@kernel
def _weight(k, most, speed, elapsed):
    """Weight of an identifier's k-th value in a running one: first as in a mean, then no more than its time allows."""
    return max(1 / k, most) if k <= WARM else min(most, speed * elapsed)


@kernel
def _timing(time, f, n, out):
    """Gap to the identifier's last frame against what it was so far (columns 0–5), then learn from it. Returns log2 of it."""
    log_gap = np.log2(max(time - f[T], 0.0) + FLOOR)
    k = n[GAPS] + 1
    if n[GAPS] == 0:
        f[GAP] = f[LEAST] = log_gap
        f[JITTER] = SOFT
    else:
        short = f[GAP] - log_gap
        out[0] = _clip(short, -LIMIT, LIMIT)
        out[1] = _clip(f[LEAST] - log_gap, -LIMIT, LIMIT)
        out[2] = _clip(short / max(f[JITTER], LEAST_JITTER), -LIMIT, LIMIT)
        if f[T_BEFORE] == f[T_BEFORE]:  # not after a pause
            both = np.log2(max(time - f[T_BEFORE], 0.0) + FLOOR)
            out[3] = _clip(f[GAP] + 1 - both, -LIMIT, LIMIT)
        out[4] = _clip(-short, 0.0, LIMIT)
        step = _weight(k, STEP, SPEED, max(time - f[T], 0.0))
        f[JITTER] += step * _clip((min(abs(short), 1.0) - f[JITTER]) / SOFT, -1.0, 1.0)
        f[JITTER] = max(f[JITTER], 0.0)
        f[GAP] -= step * _clip(short / SOFT, -1.0, 1.0)
        below = f[LEAST] - log_gap
        f[LEAST] -= max(1 / k, FALL) * min(below, 1.0) if below > 0 else RISE * max(below, -1.0)
    out[5] = f[JITTER]
    n[GAPS] = k
    f[T_BEFORE] = f[T]
    return log_gap


@kernel
def _bytes(word, dlc, f, u, both, step, widen, out):
    """Jumps of bytes against their running change (column 8), values outside their running range (11); learn from them.

    Bytes from `both` on were not in the frame before: they begin anew.
    """
    jump, outside = 1.0, 0.0
    for j in range(dlc):
        value = np.float64((word >> np.uint64(8 * j)) & np.uint64(255))
        if j >= both:
            f[LOW + j] = f[HIGH + j] = value
            f[MOVE + j] = 0.0
            continue
        move = abs(value - np.float64((u[WORD] >> np.uint64(8 * j)) & np.uint64(255)))
        jump = max(jump, (move + 1) / (f[MOVE + j] + 1))
        f[MOVE + j] += step * (move - f[MOVE + j])
        low, high = f[LOW + j], f[HIGH + j]
        leak = LEAK * (high - low)
        f[HIGH + j] += widen * (value - high) if value > high else -leak
        f[LOW + j] -= widen * (low - value) if value < low else -leak
        outside = max(outside, max(value - high, low - value) / 255)
    out[8] = np.log2(jump)
    out[11] = outside


@kernel
def _payload(word, dlc, elapsed, f, u, n, out):
    """Payload against the identifier's last one (columns 6–12), then learn from it. Returns bits flipped for the first time."""
    both = min(dlc, n[DLC])
    flips = (word ^ u[WORD]) & mask(both)
    share = bits(flips) / (8 * both) if both else 0.0
    step = _weight(n[COUNT], CHANGE, CHANGE_SPEED, elapsed)
    widen = _weight(n[COUNT], WIDEN, WIDEN_SPEED, elapsed)
    out[6] = share
    if n[COUNT] > 1:
        out[7] = _clip(np.log2((share + 0.02) / (f[HAMMING] + 0.02)), -LIMIT, LIMIT)
    f[HAMMING] += step * (share - f[HAMMING])
    _bytes(word, dlc, f, u, both, step, widen, out)
    fresh = flips & ~(u[FLIPPED] | u[FLIPPED_OLD])
    out[9] = LOG2[1 + bits(fresh)]
    u[FLIPPED] |= flips
    if n[COUNT] % GENERATION == 0:
        u[FLIPPED_OLD] = u[FLIPPED]
        u[FLIPPED] = np.uint64(0)
    delta = _nibble_difference(word, u[WORD])
    if n[DELTAS] >= 4:
        unsteady = (
            _nibbles(u[DELTA] ^ u[DELTA + 1]) | _nibbles(u[DELTA] ^ u[DELTA + 2]) | _nibbles(u[DELTA] ^ u[DELTA + 3])
        )
        counters = _nibbles(u[DELTA]) & ~unsteady & mask(both)
        out[10] = LOG2[1 + bits(counters & _nibbles(delta ^ u[DELTA]))]
    for k in range(3):
        u[DELTA + 3 - k] = u[DELTA + 2 - k]
    u[DELTA] = delta
    n[DELTAS] += 1
    out[12] = 1.0 if dlc != n[DLC] else 0.0
    return fresh


@kernel
def _strange(time, f, n, seconds):
    """How strange an identifier is that the profile lacks: log2 of the frames it should have sent in so many seconds, fading."""
    expected = seconds / np.exp2(f[GAP]) if n[GAPS] else seconds
    return min(np.log2(1 + expected), LIMIT) * np.exp2(-max(0.0, time - f[FIRST]) / FADE)


@kernel
def _against_profile(word, dlc, fresh, here, log_gap, p, profile, out):
    """Columns of a frame against its identifier's profile `p`: gap, least gap, DLC, and what neither profile nor state knows.

    A payload may differ from one trip to the next, so flips and values count only where they are new here too: `fresh` are
    the bits that flip for the first time, `here` is how far a value leaves its running range.
    """
    _, _, period, least, flipped, low, high, usual_dlc = profile
    if log_gap > -np.inf and period[p] > -np.inf:
        out[1] = _clip(period[p] - log_gap, -LIMIT, LIMIT)
        out[2] = _clip(least[p] - log_gap, -LIMIT, LIMIT)
    out[3] = LOG2[1 + bits(fresh & ~flipped[p])]
    outside = 0.0
    for j in range(min(dlc, usual_dlc[p])):
        value = np.float64((word >> np.uint64(8 * j)) & np.uint64(255))
        outside = max(outside, max(value - high[p, j], low[p, j] - value) / 255)
    out[4] = min(outside, here)
    out[5] = 1.0 if dlc != usual_dlc[p] else 0.0


@kernel
def _insert(key, place, state, known):
    """Number of an identifier that is new, its rows of the state empty but for its place in the profile's `known`."""
    slot, keys, floats, contents, integers, bus = state
    i = np.int64(bus[IDENTIFIERS])
    bus[IDENTIFIERS] += 1
    slot[place], keys[i] = i, key
    floats[i], contents[i], integers[i] = 0.0, np.uint64(0), 0
    p = np.searchsorted(known, key)
    integers[i, PROFILE] = p if p < len(known) and known[p] == key else -1
    return i


@kernel
def advance(frames, begin, end, row, state, profile, out):  # noqa: C901, PLR0915
    """Carry the state over frames `begin` … `end` − 1; write the columns of those that are wanted.

    Args:
        frames: t f64[N] in s, ids u32[N], dlc u8[N], words u64[N].
        row: i64[N], row of `out` for each frame, −1 where it is not wanted.
        state: slot i32[S], keys u32[C], floats f64[C, ·], words u64[C, ·], integers i64[C, ·], bus f64[·].
        profile: seconds (0: there is none), ids u32[K] ascending, log2 of period (−∞ where unknown) and of least
            gap f64[K], flipped u64[K], low and high f64[K, 8], dlc u8[K].
        out: f32[·, 18 + 6].

    Returns:
        the first frame that was not taken in because the tables are full, else `end`.
    """
    t, ids, dlc, words = frames
    slot, keys, floats, contents, integers, bus = state
    seconds, known = profile[0], profile[1]
    line = np.empty(FRAME_COLUMNS + PROFILE_COLUMNS)
    for at in range(begin, end):
        i = find(slot, keys, ids[at])
        if i < 0 and bus[IDENTIFIERS] == len(keys):
            return at
        time, word, length = t[at], words[at], np.int64(dlc[at])
        line[:] = 0.0
        _bus(time, bus, line)
        new = i < 0
        if new:
            i = _insert(ids[at], -1 - i, state, known)
            floats[i, FIRST], floats[i, T_BEFORE], floats[i, JOINED] = time, np.nan, line[15]
        f, u, n = floats[i], contents[i], integers[i]
        log_gap, fresh = -np.inf, np.uint64(0)
        if new:
            for j in range(length):
                f[LOW + j] = f[HIGH + j] = np.float64((word >> np.uint64(8 * j)) & np.uint64(255))
        else:
            elapsed = 0.0
            if n[EPOCH] == bus[BUS_EPOCH]:
                elapsed = max(time - f[T], 0.0)
                log_gap = _timing(time, f, n, line)
                if n[IS_LATE] == bus[BUS_EPOCH]:
                    n[IS_LATE] = 0
                    bus[LATE_COUNT] -= 1
            else:
                f[T_BEFORE] = np.nan
                n[DELTAS] = 0
            fresh = _payload(word, length, elapsed, f, u, n, line)
        n[EPOCH], n[DLC], f[T], u[WORD] = np.int64(bus[BUS_EPOCH]), length, time, word
        n[COUNT] += 1
        if f[JOINED] > 0:
            line[13] = f[JOINED] * np.exp2(-max(0.0, time - f[FIRST]) / FADE)
        line[14] = LOG2[min(n[COUNT], 1024)]
        line[17] = _overdue(time, bus, floats, integers)
        if row[at] < 0:
            continue
        if seconds > 0:
            if n[PROFILE] < 0:
                line[FRAME_COLUMNS] = _strange(time, f, n, seconds)
            else:
                _against_profile(word, length, fresh, line[11], log_gap, n[PROFILE], profile, line[FRAME_COLUMNS:])
        target = out[row[at]]
        for k in range(len(line)):
            target[k] = line[k]
    return end


@kernel
def fill(frames, starts, size, node_of, node_ptr, row, columns, profile, x, first):  # noqa: C901, PLR0913
    """Worst and mean of the frames' columns for each node, and the window's counts against the profile.

    Args:
        frames: as for `advance`; starts: i64[B]; node_of: u16[B, W] from `topology.count`; node_ptr: i64[B + 1].
        row, columns: as `advance` took and left them.
        profile: seconds, ids u32[K] and rate f64[K], frames a second.
        x: f32[·, F], written from column `first` on.
    """
    t, ids = frames[0], frames[1]
    seconds, known, rate = profile
    n_columns = columns.shape[1]
    counts = np.empty(size, np.int64)
    for b in range(len(starts)):
        begin, n0 = starts[b], node_ptr[b]
        n_nodes = node_ptr[b + 1] - n0
        counts[:n_nodes] = 0
        for i in range(size):
            u = node_of[b, i]
            target = x[n0 + u]
            values = columns[row[begin + i]]
            if counts[u] == 0:
                for k in range(n_columns):
                    target[first + k] = values[k]
                    target[first + n_columns + k] = values[k]
            else:
                for k in range(n_columns):
                    target[first + k] = max(target[first + k], values[k])
                    target[first + n_columns + k] += values[k]
            counts[u] += 1
        rest = first + 2 * n_columns
        duration = max(0.0, t[begin + size - 1] - t[begin])
        missing = rate.sum() * duration
        for i in range(size):
            u = node_of[b, i]
            c = counts[u]
            if c == 0:
                continue  # this node is done
            counts[u] = 0
            target = x[n0 + u]
            for k in range(n_columns):
                target[first + n_columns + k] /= c
            for k in range(WINDOW_COLUMNS):
                target[rest + k] = 0.0
            if seconds == 0:
                continue
            target[rest + 3] = 1.0
            p = np.searchsorted(known, ids[begin + i])
            if p < len(known) and known[p] == ids[begin + i]:
                expected = rate[p] * duration
                missing -= min(expected, float(c))
                target[rest] = (c - expected) / size
                target[rest + 1] = _clip(np.log2(c / max(expected, FLOOR)), -LIMIT, LIMIT)
        if seconds > 0:
            for u in range(n_nodes):
                x[n0 + u, rest + 2] = max(0.0, missing) / size
