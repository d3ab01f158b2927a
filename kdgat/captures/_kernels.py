"""Compiled line parsers: bytes of a text capture → frame columns.

Each kernel reads whole lines (the last byte of the range must be a newline, which stops every scan) and stops before
the first row it cannot accept; the caller names the row and decides what happens to it. Decimal seconds with at most
15 digits are exact (`mantissa / 10^k`, both representable); longer ones are marked for the caller to convert with
`float`, so every timestamp is the correctly rounded one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OK, TIMESTAMP, ID, DATA, DATA_ODD, DATA_LONG, LABEL, COLUMNS = range(8)

_HEX = np.full(256, 255, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    for _value, _byte in enumerate(_digits):
        _HEX[_byte] = _value
_POW10 = 10.0 ** np.arange(23)
_EXACT = 1 << 53
_COMMA, _NEWLINE, _RETURN, _DOT, _ZERO = 44, 10, 13, 46, 48


@njit(cache=True, nogil=True, inline="always")
def _seconds(buf, p):
    """Decimal at `p`: (mantissa, decimals, digits, position after); digits 0 if there is no number."""
    mantissa = np.uint64(0)
    digits = 0
    decimals = 0
    c = np.uint8(buf[p] - _ZERO)
    while c < 10:
        mantissa = mantissa * np.uint64(10) + np.uint64(c)
        digits += 1
        p += 1
        c = np.uint8(buf[p] - _ZERO)
    if digits > 0 and buf[p] == _DOT:
        p += 1
        c = np.uint8(buf[p] - _ZERO)
        while c < 10:
            mantissa = mantissa * np.uint64(10) + np.uint64(c)
            decimals += 1
            p += 1
            c = np.uint8(buf[p] - _ZERO)
    return mantissa, decimals, digits + decimals, p


@njit(cache=True, nogil=True)
def labelled_csv(buf, begin, end, t, ids, dlc, payload, label, row, slow, state):
    """Rows `timestamp,arbitration_id,data_field,attack` (can-train-and-test, LF or CRLF).

    Args:
        buf: u8, the file; `buf[end - 1]` is a newline.
        t, ids, dlc, payload, label: columns with room for every line.
        row: first free row.
        slow: i64[n, 2], receives (row, offset) of timestamps with too many digits for the exact path.
        state: i64[4], receives (offset reached, used entries of `slow`, reason, offset of the bad field).

    Returns:
        the next free row. It stops at `end`, at the first bad row (`state[2]` is not OK) or when `slow` is full.
    """
    p = begin
    n_slow = 0
    state[2] = OK
    while p < end and n_slow < slow.shape[0]:
        line = p
        mantissa, decimals, digits, p = _seconds(buf, p)
        if digits == 0 or digits > 19 + 9 or buf[p] != _COMMA:
            reason, where = TIMESTAMP, line
            if buf[p] == _NEWLINE and p > line:
                reason = COLUMNS
            state[0], state[1], state[2], state[3] = line, n_slow, reason, where
            return row
        if digits <= 15 or (digits < 19 and mantissa <= _EXACT):
            t[row] = float(mantissa) / _POW10[decimals]
        else:
            slow[n_slow, 0] = row
            slow[n_slow, 1] = line
            n_slow += 1
        p += 1
        where = p
        value = np.uint64(0)
        h = _HEX[buf[p]]
        while h < 16 and value < np.uint64(1 << 28):
            value = value * np.uint64(16) + np.uint64(h)
            p += 1
            h = _HEX[buf[p]]
        if p == where or value >= np.uint64(1 << 29) or buf[p] != _COMMA:
            reason = ID if buf[p] != _NEWLINE or p == where else COLUMNS
            state[0], state[1], state[2], state[3] = line, n_slow, reason, where
            return row
        ids[row] = value
        p += 1
        where = p
        k = 0
        high = _HEX[buf[p]]
        while high < 16 and k < 8:
            low = _HEX[buf[p + 1]]
            if low > 15:
                break
            payload[row, k] = high * 16 + low
            k += 1
            p += 2
            high = _HEX[buf[p]]
        if buf[p] != _COMMA:
            reason = DATA
            if high < 16:
                reason = DATA_LONG if k == 8 else DATA_ODD if _HEX[buf[p + 1]] > 15 and buf[p + 1] == _COMMA else DATA
            elif buf[p] == _NEWLINE or buf[p] == _RETURN:
                reason = COLUMNS
            state[0], state[1], state[2], state[3] = line, n_slow, reason, where
            return row
        dlc[row] = k
        while k < 8:
            payload[row, k] = 0
            k += 1
        p += 1
        where = p
        c = np.uint8(buf[p] - _ZERO)
        if c > 1:
            reason = COLUMNS if buf[p] == _NEWLINE or buf[p] == _RETURN else LABEL
            state[0], state[1], state[2], state[3] = line, n_slow, reason, where
            return row
        label[row] = c
        p += 1
        if buf[p] == _RETURN:
            p += 1
        if buf[p] != _NEWLINE:
            state[0], state[1], state[2], state[3] = line, n_slow, (COLUMNS if buf[p] == _COMMA else LABEL), where
            return row
        p += 1
        row += 1
    state[0], state[1], state[2], state[3] = p, n_slow, OK, p
    return row
