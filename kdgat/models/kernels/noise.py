"""Dropout's draws: those of torch's own generator (Matsumoto & Nishimura 1998), many at a time."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel

#: words of the generator, and how far ahead one of them enters the next
WORDS, AHEAD = 624, 397
#: where its state, as u64, keeps how many words are left (in the lower half), which is the next, and the words
LEFT, NEXT, FIRST = 1, 2, 3
#: bits of a number that is drawn in double precision
BITS = 53


@inlined
def _twisted(word, following, ahead):  # type: ignore[no-untyped-def]
    """Replace a word by its next generation, of three words u32."""
    mixed = (word & np.uint32(0x80000000)) | (following & np.uint32(0x7FFFFFFF))
    odd = np.uint32(0) - (following & np.uint32(1))  # all bits or none
    return ahead ^ (mixed >> np.uint32(1)) ^ (odd & np.uint32(0x9908B0DF))


@kernel
def _advance(words):  # type: ignore[no-untyped-def]
    """Replace the words u32[WORDS] by their next generation."""
    for j in range(WORDS - AHEAD):
        words[j] = _twisted(words[j], words[j + 1], words[j + AHEAD])
    for j in range(WORDS - AHEAD, WORDS - 1):
        words[j] = _twisted(words[j], words[j + 1], words[j + AHEAD - WORDS])
    words[WORDS - 1] = _twisted(words[WORDS - 1], words[0], words[AHEAD - 1])


@kernel
def kept(state, count, share):  # type: ignore[no-untyped-def]
    """Draw `count` times whether a number is kept, which the share says of them, bool[count].

    Args:
        state: u64[632], the state of torch's generator, which moves on as if torch had drawn.
        count: how many.
        share: f64, in [0, 1].
    """
    out = np.empty(count, np.bool_)
    words, drawn = state[FIRST : FIRST + WORDS].astype(np.uint32), np.empty(WORDS + 1, np.uint32)
    left, at = np.int64(state[LEFT] & np.uint64(0xFFFFFFFF)) - 1, np.int64(state[NEXT])
    limit = np.uint64(np.ceil(share * 2.0**BITS))
    done, waiting = 0, 0  # numbers drawn; words of one that is half drawn
    while done < count:
        if left == 0:
            _advance(words)
            left, at = WORDS, 0
        take = min(left, 2 * (count - done) - waiting)
        source, target = words[at : at + take], drawn[waiting : waiting + take]
        for i in range(take):
            y = source[i]
            y ^= y >> np.uint32(11)
            y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
            y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
            target[i] = y ^ (y >> np.uint32(18))
        left, at, waiting = left - take, at + take, waiting + take
        answers = out[done : done + waiting // 2]
        for i in range(waiting // 2):
            number = (np.uint64(drawn[2 * i]) << np.uint64(32)) | np.uint64(drawn[2 * i + 1])
            answers[i] = (number & np.uint64(2**BITS - 1)) < limit
        done += waiting // 2
        if waiting % 2:
            drawn[0] = drawn[waiting - 1]
        waiting %= 2
    state[LEFT] = (state[LEFT] & np.uint64(0xFFFFFFFF00000000)) | np.uint64(left + 1)
    state[NEXT] = np.uint64(at)
    state[FIRST : FIRST + WORDS] = words
    return out
