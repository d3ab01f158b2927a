"""What each frame of a drive holds, and which frame is sent when.

Random numbers come from a 64-bit xorshift* generator of its own (Vigna 2016), so that compiled code needs no numpy state.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel

#: numbers of `kdgat.synthetic.vehicle.KINDS`
_ENUM, _PHYSICAL, _COUNTER, _CHECKSUM, _NOISE = 1, 2, 3, 4, 5
#: least gap between two events, as a share of their mean gap (AUTOSAR COM: minimum delay time)
_MINIMUM = 0.3


@inlined
def _next(state):
    """Advance the generator: the new state, never 0."""
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    return state ^ (state >> np.uint64(27))


@inlined
def _uniform(state):
    """Uniform in [0, 1) of a state."""
    return np.float64((state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(11)) * 1.1102230246251565e-16


@kernel
def schedule(first, period, phase, event, delay, burst, spacing, seed, due):  # noqa: PLR0913
    """Fill when each frame is due: its slot in a fixed schedule plus an independent exponential delay.

    So gaps within an identifier have the lag-1 autocorrelation of about −0.5 that real buses show.

    Args:
        first: i64[m + 1]; identifier i has the frames first[i] … first[i + 1] − 1.
        period, phase, delay, spacing: f64[m], burst: u8[m], event: bool[m], see `kdgat.synthetic.vehicle.Vehicle`;
            an event comes at random, once a period on average, and never within `_MINIMUM` of a period after another.
        seed: u64, not 0.
        due: f64[n], is filled (s).
    """
    state = seed
    for i in range(len(period)):
        now = phase[i]
        for k in range(first[i], first[i + 1]):
            state = _next(state)
            late = -np.log(1.0 - _uniform(state))
            within = (k - first[i]) % burst[i]
            if event[i]:
                now += (_MINIMUM + (1.0 - _MINIMUM) * late) * period[i]
                due[k] = now
            elif within > 0:
                due[k] = due[k - within] + within * spacing[i]
            else:
                due[k] = phase[i] + (k - first[i]) * period[i] + late * delay[i]


@kernel
def payloads(due, number, first, dlc, kind, base, pace, still, seed, out):  # noqa: C901, PLR0913
    """Fill the payload of every frame, identifier by identifier.

    Args:
        due: f64[n], when each frame is due (s); identifier i has the frames first[i] … first[i + 1] − 1.
        number: i64[n], frames that its sender has sent since it started: what counters count.
        first: i64[m + 1].
        dlc: u8[m].
        kind, base: u8[m, 8], see `kdgat.synthetic.vehicle.Vehicle`.
        pace: f64[m, 8], changes a second of an enumerated byte; diffusion (per √s) of a physical one.
        still: f64[m, 8], until when such a byte does not move (s).
        seed: u64, not 0.
        out: u8[n, 8], is filled; zero from the DLC on.
    """
    state = seed
    for i in range(len(dlc)):
        for byte in range(8):
            begin, end = first[i], first[i + 1]
            what, level = kind[i, byte], np.int64(base[i, byte])
            if byte >= dlc[i]:
                what, level = 0, 0
            if what == _CHECKSUM:
                continue  # when the others stand
            value, before = np.float64(level), 0.0
            modulus = 256 if level % 3 == 0 else 16 if level % 3 == 1 else 4
            for k in range(begin, end):
                if what == _ENUM:
                    state = _next(state)
                    if due[k] >= still[i, byte] and _uniform(state) < pace[i, byte] * (due[k] - before):
                        level ^= 1 << np.int64(state & np.uint64(1))
                    before = due[k]
                    out[k, byte] = level
                elif what == _PHYSICAL:
                    step = 0.0
                    for _ in range(3):  # a sum of three is near enough to normal
                        state = _next(state)
                        step += _uniform(state) - 0.5
                    if due[k] >= still[i, byte]:
                        value += 2.0 * step * pace[i, byte] * np.sqrt(max(due[k] - before, 0.0))
                    before = due[k]
                    if level % 4:  # most stop at the ends of their range, low bytes of wider values go round
                        value = min(max(value, 0.0), 255.0)
                    out[k, byte] = np.int64(np.floor(value)) & 255
                elif what == _COUNTER:
                    out[k, byte] = (level & 0xF0 if modulus < 256 else 0) + (level + number[k]) % modulus
                elif what == _NOISE:
                    state = _next(state)
                    out[k, byte] = np.int64(state >> np.uint64(40)) & 255
                else:
                    out[k, byte] = level
        for byte in range(dlc[i]):
            if kind[i, byte] == _CHECKSUM:
                for k in range(first[i], first[i + 1]):
                    total = np.int64(base[i, byte])
                    for other in range(dlc[i]):
                        if kind[i, other] != _CHECKSUM:
                            total ^= np.int64(out[k, other])
                    out[k, byte] = total


@kernel
def arbitrate(due, ids, dlc, forged, bit_time, patience, order, start):
    """Send frames over one bus: of those waiting, the one with the lowest identifier goes first.

    Args:
        due: f64[n], ascending (s).
        ids, dlc: u32[n], u8[n].
        forged: u8[n]; a genuine frame that has waited longer than `patience` is overtaken by its successor and lost.
        bit_time: time of one bit on the wire, stuffing included (s); a frame of d bytes is 47 + 8·d bits long.
        patience: s.
        order, start: i64[n], f64[n], are filled: which frame is sent, and when it starts.

    Returns:
        Frames sent.
    """
    n, size, sent, at, now = len(due), 0, 0, 0, 0.0
    heap = np.empty(n, np.int64)  # identifier in the upper half, place in `due` in the lower
    while at < n or size > 0:
        if size == 0 and due[at] > now:
            now = due[at]
        while at < n and due[at] <= now:
            key, place = (np.int64(ids[at]) << 32) | at, size
            while place > 0 and heap[(place - 1) >> 1] > key:
                heap[place] = heap[(place - 1) >> 1]
                place = (place - 1) >> 1
            heap[place] = key
            size, at = size + 1, at + 1
        frame = heap[0] & 0xFFFFFFFF
        size -= 1
        last, place = heap[size], 0
        while 2 * place + 1 < size:
            child = 2 * place + 1
            if child + 1 < size and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= last:
                break
            heap[place] = heap[child]
            place = child
        heap[place] = last
        if forged[frame] == 0 and now - due[frame] > patience:
            continue
        order[sent], start[sent] = frame, now
        sent += 1
        now += (47 + 8 * np.int64(dlc[frame])) * bit_time
    return sent
