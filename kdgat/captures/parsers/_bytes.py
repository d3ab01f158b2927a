"""Eight characters at a time: digits and hexadecimal digits read from a u64 of text, without a branch for each."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from kdgat.compiled import inlined


@intrinsic
def _load(typingctx, buf, offset):
    """Eight bytes of a u8 array from any offset, as a little-endian u64."""

    def codegen(context, builder, signature, args):
        array = make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(buf, types.int64), codegen


@intrinsic
def _trailing_zeros(typingctx, word):
    """Zero bits under the lowest set one; 64 for 0."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


@inlined
def _each(byte):
    """A u64 of eight times the same byte."""
    return np.uint64(byte) * np.uint64(0x0101010101010101)


@inlined
def _between(word, low, high):
    """Top bit of each byte of `word` (all under 128) that lies in low … high."""
    return (word + _each(128 - low)) & ~(word + _each(127 - high)) & _each(0x80)


@inlined
def _until(valid):
    """Bytes before the first one whose top bit is not set, 0–8."""
    return np.int64(_trailing_zeros(~valid & _each(0x80)) >> np.uint64(3))


@inlined
def digits_at(buf, p):
    """Decimal digits from `p` on, at most 8: (how many, their value)."""
    word = _load(buf, p)
    n = _until(_between(word & _each(0x7F), 0x30, 0x39) & ~word)
    # the digits move to the top, zeros come in front; then pairs, fours and all eight are added up
    word = (word & _each(0x0F)) << np.uint64(64 - 8 * n) if n else np.uint64(0)
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    word = (word * np.uint64(10000) + (word >> np.uint64(32))) & np.uint64(0x00000000FFFFFFFF)
    return n, word


@inlined
def hex_at(buf, p):
    """Hexadecimal digits from `p` on, at most 8: (how many, their bytes little-endian; half a byte if they are odd)."""
    word = _load(buf, p)
    low7 = word & _each(0x7F)
    valid = (_between(low7, 0x30, 0x39) | _between(low7 | _each(0x20), 0x61, 0x66)) & ~word
    n = _until(valid)
    nibbles = (word & _each(0x0F)) + np.uint64(9) * ((word >> np.uint64(6)) & _each(0x01))
    if n < 8:
        nibbles &= (np.uint64(1) << np.uint64(8 * n)) - np.uint64(1)
    word = ((nibbles << np.uint64(4)) | (nibbles >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word | (word >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    word = (word | (word >> np.uint64(16))) & np.uint64(0x00000000FFFFFFFF)
    return n, word
