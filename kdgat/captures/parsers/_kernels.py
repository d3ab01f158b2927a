"""Compiled line parsers: bytes of a text capture → frame columns.

Each kernel reads whole lines (the last byte of its range is a newline, which stops every scan), skips blank ones, and
stops before the first row it cannot accept; the caller names the row and decides what happens to it. Decimal seconds
whose digits fit 53 bits are exact (`digits / 10^k`, both representable, one rounding); longer ones are marked for the
caller to convert with `float`, so that every time stamp is the correctly rounded one.

Signature of all: `(option, buf, begin, end, t, id, dlc, words, label, row, slow, state) → next free row`, with

    buf u8, the file; rows go to the columns from `row` on (room for every line), payloads as little-endian u64;
    slow i64[n, 2] receives (row, offset) of the time stamps left to the caller; the kernel stops when it is full;
    state i64[5] receives: offset reached, used entries of `slow`, reason (`OK` or why the row there is bad), offset of
    the bad field; blank lines are added to the last entry.
"""

from __future__ import annotations

import numpy as np

from kdgat.captures.parsers._bytes import digits_at, hex_at
from kdgat.compiled import inlined, kernel

(
    OK, TIMESTAMP, ID, DATA, DATA_ODD, DATA_LONG, LABEL, COLUMNS, DLC, FEW_BYTES, FLAG, ERROR_FRAME, FD_FRAME,
) = range(13)  # fmt: skip

_HEX = np.full(256, 255, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    for _value, _byte in enumerate(_digits):
        _HEX[_byte] = _value
_POW10 = 10.0 ** np.arange(23)
_INT_POW10 = 10 ** np.arange(9)
_TAB, _NEWLINE, _RETURN, _SPACE, _HASH, _OPEN, _CLOSE, _COMMA, _DOT, _ZERO = 9, 10, 13, 32, 35, 40, 41, 44, 46, 48
_R, _T = 82, 84


@inlined
def _at_end(buf, p):
    """Whether the line ends here (LF or CRLF)."""
    return buf[p] == _NEWLINE or (buf[p] == _RETURN and buf[p + 1] == _NEWLINE)


@inlined
def _seconds(buf, p):
    """Decimal number: (digits as one integer, of them decimals, how many, position after); 0 digits: no number."""
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


@inlined
def _hex_number(buf, p):
    """Hexadecimal number of at most 32 bits: (value, position after). A ninth digit is left unread."""
    value = np.uint64(0)
    h = _HEX[buf[p]]
    while h < 16 and value < np.uint64(1 << 28):
        value = value * np.uint64(16) + np.uint64(h)
        p += 1
        h = _HEX[buf[p]]
    return value, p


@inlined
def _keep_time(t, row, slow, n_slow, mantissa, decimals, digits, offset):
    """Store a time stamp, or mark it for the caller; the number of marked ones."""
    if digits < 19 and mantissa <= np.uint64(1 << 53):
        t[row] = float(mantissa) / _POW10[decimals]
        return n_slow
    slow[n_slow, 0] = row
    slow[n_slow, 1] = offset
    return n_slow + 1


@inlined
def _stop(state, line, n_slow, reason, where):
    state[0], state[1], state[2], state[3] = line, n_slow, reason, where


@kernel
def of_bus(buf, end, name, only):
    """Keep the lines `(time) interface …` of one interface: the others become spaces if `only`, else where the first is.

    Args:
        buf: u8, whole lines; end: of them.
        name: u8, the interface.
        only: whether other interfaces are left out.

    Returns:
        Offset of the first line of another interface that was kept, or -1.
    """
    p = 0
    while p < end:
        line = p
        while buf[p] != _CLOSE and buf[p] != _NEWLINE:
            p += 1
        other = False
        if buf[p] == _CLOSE:
            p = _skip(buf, p + 1)
            k = 0
            while k < len(name) and buf[p + k] == name[k]:
                k += 1
            other = k < len(name) or not (buf[p + k] == _SPACE or buf[p + k] == _TAB)
            while buf[p + k] != _SPACE and buf[p + k] != _TAB and buf[p + k] != _NEWLINE:
                k += 1
            after = buf[_skip(buf, p + k)]
            # an interface that nothing follows is a row without its frame, whichever it is
            other = other and after != _NEWLINE and after != _RETURN
        while buf[p] != _NEWLINE:
            p += 1
        if other:
            if not only:
                return line
            buf[line:p] = _SPACE
        p += 1
    return -1


@kernel
def labelled_csv(option, buf, begin, end, t, ids, dlc, words, label, row, slow, state):  # noqa: C901, PLR0913, PLR0915
    """`timestamp,arbitration_id,data_field,attack` of can-train-and-test; `option` is not used."""
    p = begin
    n_slow = 0
    while p < end and n_slow < len(slow):
        # a row as they usually are, eight characters at a time; anything unusual is looked at closely below
        while p + 64 <= end:
            whole, seconds = digits_at(buf, p)
            q = p + whole
            if whole == 8:
                more, rest = digits_at(buf, q)
                if more > 4:
                    break
                seconds = seconds * np.uint64(_INT_POW10[more]) + rest
                q += more
            if buf[q] != _DOT:
                break
            decimals, fraction = digits_at(buf, q + 1)
            q += 1 + decimals
            mantissa = seconds * np.uint64(_INT_POW10[decimals]) + fraction
            if decimals > 7 or whole == 0 or buf[q] != _COMMA or mantissa > np.uint64(1 << 53):
                break
            a, b, c = _HEX[buf[q + 1]], _HEX[buf[q + 2]], _HEX[buf[q + 3]]
            if (a | b | c) > 15 or buf[q + 4] != _COMMA:
                break
            q += 5
            n, word = hex_at(buf, q)
            if n == 8:
                more, upper = hex_at(buf, q + 8)
                n += more
                word |= upper << np.uint64(32)
            q += n
            y = np.uint8(buf[q + 1] - _ZERO)
            if n & 1 or buf[q] != _COMMA or y > 1 or buf[q + 2] != _NEWLINE:
                break
            t[row] = float(mantissa) / _POW10[decimals]
            ids[row] = (np.uint32(a) << np.uint32(8)) | (np.uint32(b) << np.uint32(4)) | np.uint32(c)
            dlc[row] = n >> 1
            words[row] = word
            label[row] = y
            row += 1
            p = q + 3
        if p >= end:
            break
        line = p
        if _at_end(buf, p):
            p += 1 + (buf[p] == _RETURN)
            state[4] += 1
            continue
        mantissa, decimals, digits, p = _seconds(buf, p)
        if digits == 0 or buf[p] != _COMMA:
            _stop(state, line, n_slow, COLUMNS if digits and _at_end(buf, p) else TIMESTAMP, line)
            return row
        n_slow = _keep_time(t, row, slow, n_slow, mantissa, decimals, digits, line)
        p += 1
        where = p
        value, p = _hex_number(buf, p)
        if p == where or value >= np.uint64(1 << 29) or buf[p] != _COMMA:
            _stop(state, line, n_slow, COLUMNS if _at_end(buf, p) else ID, where)
            return row
        ids[row] = value
        p += 1
        where = p
        k = 0
        word = np.uint64(0)
        high = _HEX[buf[p]]
        while high < 16 and k < 8:
            low = _HEX[buf[p + 1]]
            if low > 15:
                break
            word |= np.uint64(high * 16 + low) << np.uint64(8 * k)
            k += 1
            p += 2
            high = _HEX[buf[p]]
        if buf[p] != _COMMA:
            reason = DATA
            if high < 16:
                if k == 8:
                    reason = DATA_LONG
                elif buf[p + 1] == _COMMA:
                    reason = DATA_ODD
                elif _at_end(buf, p + 1):
                    reason = COLUMNS
            elif _at_end(buf, p):
                reason = COLUMNS
            _stop(state, line, n_slow, reason, where)
            return row
        dlc[row] = k
        words[row] = word
        p += 1
        where = p
        c = np.uint8(buf[p] - _ZERO)
        if c > 1 or not _at_end(buf, p + 1):
            many = c < 2 and buf[p + 1] == _COMMA
            _stop(state, line, n_slow, COLUMNS if many or _at_end(buf, p) else LABEL, where)
            return row
        label[row] = c
        p += 2 + (buf[p + 1] == _RETURN)
        row += 1
    _stop(state, p, n_slow, OK, p)
    return row


@inlined
def _skip(buf, p):
    """Past commas, spaces and tabs."""
    while buf[p] == _COMMA or buf[p] == _SPACE or buf[p] == _TAB:
        p += 1
    return p


@inlined
def _skip_key(buf, p, keyed):
    """Past separators and, where values have keys (`Timestamp:`, `ID:`, `DLC:`), past the key."""
    p = _skip(buf, p)
    if keyed:
        q = p
        while buf[q] != _NEWLINE and buf[q] != 58:  # a colon
            q += 1
        if buf[q] == 58:
            p = _skip(buf, q + 1)
    return p


@kernel
def hcrl_text(option, buf, begin, end, t, ids, dlc, words, label, row, slow, state):  # noqa: C901, PLR0913, PLR0915
    """Raw text of HCRL: time, ID, DLC, as many bytes, and the flag R or T (injected) if the file has flags.

    Some copies fill rows up to eight bytes; what stands beyond the DLC was not on the bus and is ignored.

    Args:
        option: 1: the rows have flags; + 2: values have keys (`Timestamp: … ID: … 000 DLC: … `), and a number after
            the ID whose first digit is not 0 marks a remote frame, which is kept with DLC 0.
    """
    flagged, keyed = option & 1, option & 2
    p = begin
    n_slow = 0
    while p < end and n_slow < len(slow):
        line = p
        if _at_end(buf, p):
            p += 1 + (buf[p] == _RETURN)
            state[4] += 1
            continue
        p = _skip_key(buf, p, keyed)
        where = p
        mantissa, decimals, digits, p = _seconds(buf, p)
        if digits == 0 or _skip(buf, p) == p:
            _stop(state, line, n_slow, COLUMNS if digits and _at_end(buf, p) else TIMESTAMP, where)
            return row
        n_slow = _keep_time(t, row, slow, n_slow, mantissa, decimals, digits, where)
        p = _skip_key(buf, p, keyed)
        where = p
        value, p = _hex_number(buf, p)
        if p == where or value >= np.uint64(1 << 29) or _skip(buf, p) == p:
            _stop(state, line, n_slow, COLUMNS if _at_end(buf, p) else ID, where)
            return row
        ids[row] = value
        remote = False
        if keyed:
            p = _skip(buf, p)
            c = np.uint8(buf[p] - _ZERO)
            remote = c > 0 and c < 10
        p = _skip_key(buf, p, keyed)
        where = p
        n = np.uint8(buf[p] - _ZERO)
        if n > 8 or not (_skip(buf, p + 1) > p + 1 or _at_end(buf, p + 1)):
            _stop(state, line, n_slow, COLUMNS if _at_end(buf, p) else DLC, where)
            return row
        p += 1
        dlc[row] = n
        k = 0
        word = np.uint64(0)
        while k < n:
            q = _skip(buf, p)
            high, low = _HEX[buf[q]], _HEX[buf[q + 1]]
            if high > 15 or low > 15 or _HEX[buf[q + 2]] < 16:
                break
            word |= np.uint64(high * 16 + low) << np.uint64(8 * k)
            p = q + 2
            k += 1
        if remote and k == 0:
            dlc[row] = n = 0
        if k < n:
            q = _skip(buf, p)
            short = _at_end(buf, q) or (_HEX[buf[q]] > 15 and _at_end(buf, q + 1))
            _stop(state, line, n_slow, FEW_BYTES if short else DATA, q)
            return row
        words[row] = word
        while k < 8:
            k += 1
            q = _skip(buf, p)
            if _HEX[buf[q]] < 16 and _HEX[buf[q + 1]] < 16 and _HEX[buf[q + 2]] > 15:
                p = q + 2
        p = _skip(buf, p)
        label[row] = 0
        if flagged:
            if buf[p] != _R and buf[p] != _T:
                _stop(state, line, n_slow, FLAG, p)
                return row
            label[row] = buf[p] == _T
            p = _skip(buf, p + 1)
        if not _at_end(buf, p):
            _stop(state, line, n_slow, COLUMNS, p)
            return row
        p += 1 + (buf[p] == _RETURN)
        row += 1
    _stop(state, p, n_slow, OK, p)
    return row


@kernel
def candump(option, buf, begin, end, t, ids, dlc, words, label, row, slow, state):  # noqa: C901, PLR0913, PLR0915
    """`(time) interface ID#DATA`, perhaps with a direction R or T at the end; `option` is not used.

    A remote frame (`ID#R`, `ID#R4`) is kept with DLC 0; an error frame and a CAN FD frame are bad rows.
    """
    p = begin
    n_slow = 0
    while p < end and n_slow < len(slow):
        line = p
        p = _skip(buf, p)
        if _at_end(buf, p):  # also a line of another interface, see `of_bus`
            p += 1 + (buf[p] == _RETURN)
            state[4] += 1
            continue
        if buf[p] != _OPEN:
            _stop(state, line, n_slow, TIMESTAMP, p)
            return row
        where = p + 1
        mantissa, decimals, digits, p = _seconds(buf, where)
        if digits == 0 or buf[p] != _CLOSE:
            _stop(state, line, n_slow, TIMESTAMP, where)
            return row
        n_slow = _keep_time(t, row, slow, n_slow, mantissa, decimals, digits, where)
        p = _skip(buf, p + 1)
        while buf[p] != _SPACE and buf[p] != _TAB and buf[p] != _NEWLINE:  # the interface
            p += 1
        p = _skip(buf, p)
        where = p
        value, p = _hex_number(buf, p)
        if p == where or buf[p] != _HASH:
            _stop(state, line, n_slow, COLUMNS if _at_end(buf, p) else ID, where)
            return row
        if value >= np.uint64(1 << 29):
            # bit 29 marks what the controller reports about errors, which nobody sent
            _stop(state, line, n_slow, ERROR_FRAME if value < np.uint64(1 << 30) else ID, where)
            return row
        ids[row] = value
        p += 1
        where = p
        if buf[p] == _HASH:
            _stop(state, line, n_slow, FD_FRAME, where)
            return row
        k = 0
        word = np.uint64(0)
        if buf[p] == _R:
            p += 1 + (np.uint8(buf[p + 1] - _ZERO) < 9)
        else:
            high = _HEX[buf[p]]
            while high < 16 and k < 8:
                low = _HEX[buf[p + 1]]
                if low > 15:
                    break
                word |= np.uint64(high * 16 + low) << np.uint64(8 * k)
                k += 1
                p += 2
                high = _HEX[buf[p]]
            if high < 16:
                _stop(state, line, n_slow, DATA_LONG if k == 8 else DATA_ODD, where)
                return row
        dlc[row] = k
        words[row] = word
        label[row] = 0
        q = _skip(buf, p)
        if q > p and (buf[q] == _R or buf[q] == _T):
            q = _skip(buf, q + 1)
        if not _at_end(buf, q):
            _stop(state, line, n_slow, DATA if q == p else COLUMNS, where)
            return row
        p = q + 1 + (buf[q] == _RETURN)
        row += 1
    _stop(state, p, n_slow, OK, p)
    return row
