"""State of each identifier, carried through the recording: a row of columns for each frame, then worst and mean for each node.

What a running estimate can be moved by is bounded for each frame and for each second, so that neither many forged frames nor a
long attack takes it far, and estimates of extremes leak, so that they recover. Gaps are kept as log2 of seconds.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel
from kdgat.graphs.features import FEATURES
from kdgat.graphs.kernels.common import LOG2, bits, byte, changed, mask
from kdgat.graphs.kernels.relative import FLOOR, LIMIT

#: node columns of `relative`, which come first
RELATIVE = len(FEATURES["relative"][0])
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

#: state of one identifier
IDENTIFIER = np.dtype(
    [
        ("t", np.float64),  # s, of the last frame
        ("t_before", np.float64),  # and of the one before; NaN: none since the bus slept
        ("first", np.float64),  # of the first
        ("joined", np.float64),  # age of the state then
        ("gap", np.float64),  # running gap, log2 of s
        ("least", np.float64),  # least gap, which leaks
        ("jitter", np.float64),  # running deviation of the gap
        ("hamming", np.float64),  # running share of bits that flip
        ("move", np.float64, 8),  # running change of each byte
        ("low", np.float64, 8),  # and its running range
        ("high", np.float64, 8),
        ("moved", np.uint64),  # the highest bit of each byte that has changed since it began
        ("word", np.uint64),  # the last payload
        ("flipped_old", np.uint64),  # bits that flipped in the generation before
        ("flipped", np.uint64),  # and in this one
        ("delta_1", np.uint64),  # by how much each nibble counted: at the last frame
        ("delta_2", np.uint64),  # and those before
        ("delta_3", np.uint64),
        ("delta_4", np.uint64),
        ("dlc", np.int64),
        ("frames", np.int64),
        ("gaps", np.int64),
        ("deltas", np.int64),
        ("epoch", np.int64),  # of the bus, at the last frame
        ("late", np.int64),  # epoch in which it was found to be overdue; 0: it is not
        ("profile", np.int64),  # its place in the profile, -1: the profile lacks it
    ]
)
#: state of the bus
BUS = np.dtype(
    [
        ("t", np.float64),  # s, of the last frame
        ("since", np.float64),  # when the epoch began
        ("gap", np.float64),  # running gap, log2 of s
        ("gaps", np.int64),
        ("epoch", np.int64),  # 0: no frame yet
        ("turn", np.int64),  # the identifier that was looked at last
        ("late", np.int64),  # identifiers that are overdue
        ("identifiers", np.int64),
    ]
)
#: what a profile says of one identifier
EXPECTED = np.dtype(
    [
        ("period", np.float64),  # log2 of s, −∞ where it is not known
        ("least", np.float64),  # its least gap, log2 of s
        ("low", np.float64, 8),  # range of its bytes
        ("high", np.float64, 8),
        ("flipped", np.uint64),  # bits that flipped
        ("dlc", np.int64),
    ]
)

_NIBBLE_LOW = np.uint64(0x1111111111111111)
_NIBBLE_HIGH = np.uint64(0x8888888888888888)
_GOLDEN = np.uint32(0x9E3779B1)


@inlined
def _clip(value, low, high):
    return min(high, max(low, value))


@inlined
def _nibble_difference(a, b):
    """a − b modulo 16 for each of the 16 nibbles of two u64."""
    return ((a | _NIBBLE_HIGH) - (b & ~_NIBBLE_HIGH)) ^ ((a ^ ~b) & _NIBBLE_HIGH)


@inlined
def _nibbles(word):
    """The lowest bit of each nibble of a u64 that is not 0."""
    pairs = word | word >> np.uint64(1)
    return (pairs | pairs >> np.uint64(2)) & _NIBBLE_LOW


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


@inlined
def _octave(value):
    """Round log2 of a normal f64 > 0 down."""
    return np.float64((np.float64(value).view(np.int64) >> 52) - 1023)


@inlined
def _log2(ratio):
    """log2 of a ratio that often is 1."""
    return np.log2(ratio) if ratio != 1 else 0.0


@inlined
def _bus(time, bus):
    """Age of the state, and the running bus gap over the one before the frame (columns 15 and 16).

    A pause or a step back begins an epoch, in which no gap reaches back to the one before.
    """
    gap = time - bus.t
    rush = 0.0
    if bus.epoch == 0 or gap < -BACK or gap > PAUSE:
        bus.epoch += 1
        bus.since = time
        bus.late = 0
    else:
        log_gap = np.log2(max(gap, 0.0) + FLOOR)
        if bus.gaps:
            rush = _clip(bus.gap - log_gap, -LIMIT, LIMIT)
            step = max(1 / (bus.gaps + 1), STEP)
            bus.gap += step * _clip((log_gap - bus.gap) / SOFT, -1.0, 1.0)
        else:
            bus.gap = log_gap
        bus.gaps += 1
    bus.t = time
    return min(np.log2(1 + max(0.0, time - bus.since)), LIMIT), rush


@inlined
def _overdue(time, bus, identifiers):
    """Look at the next identifier in turn: it is overdue from 4 to 32 running gaps without a frame. Share of them so far."""
    turn = bus.turn if bus.turn < bus.identifiers else 0
    bus.turn = turn + 1
    one = identifiers[turn]
    if one.epoch == bus.epoch and one.gaps > 2 and one.jitter < REGULAR:
        gap = max(time - one.t, 0.0) + FLOOR
        octave, late = _octave(gap), False
        if octave + 1 - one.gap > LATE and octave - one.gap < GONE:  # the octave alone does not decide
            late = LATE < np.log2(gap) - one.gap < GONE
        if late != (one.late == bus.epoch):
            one.late = bus.epoch if late else 0
            bus.late += 1 if late else -1
    return bus.late / bus.identifiers


@inlined
def _weight(k, most, speed, elapsed):
    """Weight of an identifier's k-th value in a running one: first as in a mean, then no more than its time allows."""
    return max(1 / k, most) if k <= WARM else min(most, speed * elapsed)


@inlined
def _timing(time, elapsed, log_gap, one):
    """Gap to the identifier's last frame against what it was so far (columns 0–4), then learn from it."""
    short, of_least, in_jitter, pair, long = 0.0, 0.0, 0.0, 0.0, 0.0
    k = one.gaps + 1
    if k == 1:
        one.gap = one.least = log_gap
        one.jitter = SOFT
    else:
        gap, least, jitter = one.gap, one.least, one.jitter
        deviation = gap - log_gap
        short = _clip(deviation, -LIMIT, LIMIT)
        of_least = _clip(least - log_gap, -LIMIT, LIMIT)
        in_jitter = _clip(deviation / max(jitter, LEAST_JITTER), -LIMIT, LIMIT)
        if one.t_before == one.t_before:  # not after a pause
            both = np.log2(max(time - one.t_before, 0.0) + FLOOR)
            pair = _clip(gap + 1 - both, -LIMIT, LIMIT)
        long = _clip(-deviation, 0.0, LIMIT)
        step = _weight(k, STEP, SPEED, elapsed)
        jitter += step * _clip((min(abs(deviation), 1.0) - jitter) / SOFT, -1.0, 1.0)
        one.jitter = max(jitter, 0.0)
        one.gap = gap - step * _clip(deviation / SOFT, -1.0, 1.0)
        below = least - log_gap
        one.least = least - (max(1 / k, FALL) * min(below, 1.0) if below > 0 else RISE * max(below, -1.0))
    one.gaps = k
    one.t_before = one.t
    return short, of_least, in_jitter, pair, long


@inlined
def _begin_bytes(word, first, dlc, one):
    """Bytes from the `first` on were not in the frame before: they begin anew."""
    for j in range(first, dlc):
        one.low[j] = one.high[j] = byte(word, j)
        one.move[j] = 0.0
    one.moved &= mask(first)


@inlined
def _bytes(word, flips, step, widen, one):
    """Jumps of bytes against their running change (column 8), values outside their running range (11); learn from them.

    A byte that has not changed yet is where it was, in a range of no width: nothing is to be learned from it.
    """
    jump, outside = 1.0, 0.0
    one.moved |= changed(flips)
    left = one.moved
    while left:
        j = bits(~left & (left - np.uint64(1))) >> 3  # the byte of the lowest bit
        left &= left - np.uint64(1)
        value, before, low, high = byte(word, j), one.move[j], one.low[j], one.high[j]
        move = abs(value - byte(one.word, j))
        jump = max(jump, (move + 1) / (before + 1))
        one.move[j] = before + step * (move - before)
        leak = LEAK * (high - low)
        one.high[j] = high + (widen * (value - high) if value > high else -leak)
        one.low[j] = low - (widen * (low - value) if value < low else -leak)
        outside = max(outside, max(value - high, low - value))
    return _log2(jump), outside / 255


@inlined
def _payload(word, dlc, elapsed, one):
    """Payload against the identifier's last one (columns 6–12), then learn from it; and the bits that never flipped before."""
    both = min(dlc, one.dlc)
    flips = (word ^ one.word) & mask(both)
    share = bits(flips) / (8 * both) if both else 0.0
    step = _weight(one.frames, CHANGE, CHANGE_SPEED, elapsed)
    widen = _weight(one.frames, WIDEN, WIDEN_SPEED, elapsed)
    excess = 0.0
    if one.frames > 1:
        excess = _clip(_log2((share + 0.02) / (one.hamming + 0.02)), -LIMIT, LIMIT)
    one.hamming += step * (share - one.hamming)
    if dlc != one.dlc:
        _begin_bytes(word, both, dlc, one)
    jump, outside = _bytes(word, flips, step, widen, one)
    fresh = flips & ~(one.flipped | one.flipped_old)
    one.flipped |= flips
    if one.frames % GENERATION == 0:
        one.flipped_old = one.flipped
        one.flipped = np.uint64(0)
    delta = _nibble_difference(word, one.word)
    broken = 0
    if one.deltas >= 4:
        last = one.delta_1
        unsteady = _nibbles(last ^ one.delta_2) | _nibbles(last ^ one.delta_3) | _nibbles(last ^ one.delta_4)
        counters = _nibbles(last) & ~unsteady & mask(both)
        broken = bits(counters & _nibbles(delta ^ last))
    one.delta_4, one.delta_3, one.delta_2, one.delta_1 = one.delta_3, one.delta_2, one.delta_1, delta
    one.deltas += 1
    return share, excess, jump, LOG2[1 + bits(fresh)], LOG2[1 + broken], outside, fresh


@inlined
def _strange(time, one, seconds):
    """How strange an identifier is that the profile lacks: log2 of the frames it should have sent in so many seconds, fading."""
    sent = seconds / np.exp2(one.gap) if one.gaps else seconds
    return min(np.log2(1 + sent), LIMIT) * np.exp2(-max(0.0, time - one.first) / FADE)


@inlined
def _against_profile(word, dlc, fresh, here, log_gap, expected):
    """Columns of a frame against its identifier's profile: gap, least gap, DLC, and what neither profile nor state knows.

    A payload may differ from one trip to the next, so flips and values count only where they are new here too: `fresh` are
    the bits that flip for the first time, `here` is how far a value leaves its running range.
    """
    short, of_least, outside = 0.0, 0.0, 0.0
    if log_gap > -np.inf and expected.period > -np.inf:
        short = _clip(expected.period - log_gap, -LIMIT, LIMIT)
        of_least = _clip(expected.least - log_gap, -LIMIT, LIMIT)
    if here > 0:
        for j in range(min(dlc, expected.dlc)):
            value = byte(word, j)
            outside = max(outside, max(value - expected.high[j], expected.low[j] - value) / 255)
        outside = min(outside, here)
    new_bits = LOG2[1 + bits(fresh & ~expected.flipped)]
    return short, of_least, new_bits, outside, 1.0 if dlc != expected.dlc else 0.0


@kernel
def _insert(key, place, slot, keys, identifiers, bus, known):
    """Number of an identifier that is new, its state empty but for its place in the profile's `known`."""
    i = bus.identifiers
    bus.identifiers += 1
    slot[place], keys[i] = i, key
    p = np.searchsorted(known, key)
    identifiers[i].profile = p if p < len(known) and known[p] == key else -1
    return i


@kernel
def advance(frames, begin, end, row, state, profile, out):  # noqa: PLR0915
    """Carry the state over frames `begin` … `end` − 1; write the columns of those that are wanted.

    Args:
        frames: t f64[N] in s, ids u32[N], dlc u8[N], words u64[N].
        row: i64[N], row of `out` for each frame, −1 where it is not wanted.
        state: slot i32[S], keys u32[C], identifiers IDENTIFIER[C], bus BUS[1].
        profile: seconds (0: there is none), ids u32[K] ascending, what it says of them EXPECTED[K].
        out: f32[·, 18 + 6].

    Returns:
        the first frame that was not taken in because the tables are full, else `end`.
    """
    t, ids, dlc, words = frames
    slot, keys, identifiers, buses = state
    bus = buses[0]
    seconds, known, expected = profile
    for at in range(begin, end):
        i = find(slot, keys, ids[at])
        if i < 0 and bus.identifiers == len(keys):
            return at
        time, word, length = t[at], words[at], np.int64(dlc[at])
        age, rush = _bus(time, bus)
        new = i < 0
        if new:
            i = _insert(ids[at], -1 - i, slot, keys, identifiers, bus, known)
        one = identifiers[i]
        log_gap, fresh = -np.inf, np.uint64(0)
        short, of_least, in_jitter, pair, long, jitter = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        flips, excess, jump, new_bits, broken, outside, dlc_change = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if new:
            one.first, one.t_before, one.joined = time, np.nan, age
            _begin_bytes(word, 0, length, one)
        else:
            elapsed = 0.0
            if one.epoch == bus.epoch:
                elapsed = max(time - one.t, 0.0)
                log_gap = np.log2(elapsed + FLOOR)
                short, of_least, in_jitter, pair, long = _timing(time, elapsed, log_gap, one)
                jitter = one.jitter
                if one.late == bus.epoch:
                    one.late = 0
                    bus.late -= 1
            else:
                one.t_before = np.nan
                one.deltas = 0
            flips, excess, jump, new_bits, broken, outside, fresh = _payload(word, length, elapsed, one)
            dlc_change = 1.0 if length != one.dlc else 0.0
        one.epoch, one.dlc, one.t, one.word = bus.epoch, length, time, word
        one.frames += 1
        joined = one.joined * np.exp2(-max(0.0, time - one.first) / FADE) if one.joined > 0 else 0.0
        seen = LOG2[min(one.frames, 1024)]
        overdue = _overdue(time, bus, identifiers)
        to = row[at]
        if to < 0:
            continue
        out[to, 0], out[to, 1], out[to, 2], out[to, 3], out[to, 4], out[to, 5] = (
            short, of_least, in_jitter, pair, long, jitter,
        )  # fmt: skip
        out[to, 6], out[to, 7], out[to, 8], out[to, 9], out[to, 10], out[to, 11] = (
            flips, excess, jump, new_bits, broken, outside,
        )  # fmt: skip
        out[to, 12], out[to, 13], out[to, 14], out[to, 15], out[to, 16], out[to, 17] = (
            dlc_change, joined, seen, age, rush, overdue,
        )  # fmt: skip
        for k in range(FRAME_COLUMNS, FRAME_COLUMNS + PROFILE_COLUMNS):
            out[to, k] = 0.0
        if seconds > 0:
            if one.profile < 0:
                out[to, 18] = _strange(time, one, seconds)
            else:
                out[to, 19], out[to, 20], out[to, 21], out[to, 22], out[to, 23] = _against_profile(
                    word, length, fresh, outside, log_gap, expected[one.profile]
                )
    return end


@kernel
def fill(frames, starts, size, node_of, node_ptr, row, columns, profile, x):  # noqa: C901, PLR0913
    """Worst and mean of the frames' columns for each node, and the window's counts against the profile.

    Args:
        frames: t and ids as for `advance`; starts: i64[B]; node_of: u16[B, W] from `topology.count`; node_ptr: i64[B + 1].
        row, columns: as `advance` took and left them.
        profile: seconds, ids u32[K] and rate f64[K], frames a second.
        x: f32[·, F], written from column `RELATIVE` on.
    """
    t, ids = frames
    seconds, known, rate = profile
    n_columns = columns.shape[1]
    counts = np.empty(size, np.int64)
    worst = np.empty((size, n_columns), np.float32)
    total = np.empty((size, n_columns), np.float32)
    all_rates = rate.sum()
    for b in range(len(starts)):
        begin, n0 = starts[b], node_ptr[b]
        n_nodes = node_ptr[b + 1] - n0
        counts[:n_nodes] = 0
        for i in range(size):
            u, r = node_of[b, i], row[begin + i]
            if counts[u] == 0:
                for k in range(n_columns):
                    worst[u, k] = total[u, k] = columns[r, k]
            else:
                for k in range(n_columns):
                    worst[u, k] = max(worst[u, k], columns[r, k])
                    total[u, k] += columns[r, k]
            counts[u] += 1
        rest = RELATIVE + 2 * n_columns
        duration = max(0.0, t[begin + size - 1] - t[begin])
        missing = all_rates * duration
        u = 0  # nodes are numbered by first appearance
        for i in range(size):
            if node_of[b, i] != u:
                continue
            at, c = n0 + u, counts[u]
            for k in range(n_columns):
                x[at, RELATIVE + k] = worst[u, k]
            for k in range(n_columns):
                x[at, RELATIVE + n_columns + k] = total[u, k] / c
            for k in range(WINDOW_COLUMNS):
                x[at, rest + k] = 0.0
            u += 1
            if seconds == 0:
                continue
            x[at, rest + 3] = 1.0
            p = np.searchsorted(known, ids[begin + i])
            if p < len(known) and known[p] == ids[begin + i]:
                expected = rate[p] * duration
                missing -= min(expected, float(c))
                x[at, rest] = (c - expected) / size
                x[at, rest + 1] = _clip(np.log2(c / max(expected, FLOOR)), -LIMIT, LIMIT)
        if seconds > 0:
            for u in range(n_nodes):
                x[n0 + u, rest + 2] = max(0.0, missing) / size
