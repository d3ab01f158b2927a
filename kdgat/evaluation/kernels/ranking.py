"""Metrics of a ranking for every draw of a bootstrap, in one walk down the ranking for many draws at once."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel

#: draws that walk down together: a window's weights are one stretch of memory, and what is counted fits into a cache
TOGETHER = 512


@kernel
def drawn(at, begin, size, weights):
    """Count how often each window is drawn, in circular blocks of `size` windows, into `weights`.

    Args:
        at: i64[m], the windows that are drawn from; begin: i64[D, B], first of each block.
        size: windows in a block; the last block is cut, so that m windows are drawn.
        weights: u16[n, D].
    """
    m = len(at)
    draws, blocks = begin.shape
    for d in range(draws):
        for b in range(blocks):
            for k in range(min(size, m - b * size)):
                weights[at[(begin[d, b] + k) % m], d] += 1


@kernel
def counts(weights, attacked, alarm):
    """Weighted windows, f64[4, D]: attacked with and benign with an alarm, attacked without and benign without."""
    n, draws = weights.shape
    out = np.zeros((4, draws))
    for i in range(n):
        line = out[2 * (not alarm[i]) + (not attacked[i])]
        for d in range(draws):
            line[d] += weights[i, d]
    return out


@kernel
def ranked(weights, order, last, attacked, far, rates, first, out):  # noqa: C901, PLR0915
    """ROC-AUC, PR-AUC and recall at false-positive rates of weighted windows.

    Args:
        weights: u16[n, D], how often each window is drawn; the draws from `first` on are judged.
        order: i64[n], windows by falling score; last: bool[n], whether the next one's score is another.
        attacked, far: bool[n]; `far` are the windows that false-positive rates count.
        rates: f64[R].
        out: f64[M, 2 + R], of M draws, NaN where a draw leaves it undefined.
    """
    n = len(order)
    some = np.zeros(4, np.bool_)
    for block in range(0, len(out), TOGETHER):
        begin, m = first + block, min(TOGETHER, len(out) - block)
        totals = np.zeros((3, m))  # attacked, benign, far
        for i in range(n):
            row = weights[i, begin : begin + m]
            total = totals[0] if attacked[i] else totals[1]
            for d in range(m):
                total[d] += row[d]
            if far[i]:
                for d in range(m):
                    totals[2, d] += row[d]
        hits, false, false_far = np.zeros(m), np.zeros(m), np.zeros(m)  # above the present score
        positive, negative = np.zeros(m), np.zeros(m)  # with the present score
        area, precision = np.zeros(m), np.zeros(m)
        best = np.zeros((len(rates), m))
        some[:] = False
        for k in range(n):
            i = order[k]
            row = weights[i, begin : begin + m]
            if attacked[i]:
                some[0] = True
                for d in range(m):
                    positive[d] += row[d]
            else:
                some[1] = True
                for d in range(m):
                    negative[d] += row[d]
            if far[i]:
                for d in range(m):
                    false_far[d] += row[d]
            if not last[k]:
                continue
            if some[1]:
                for d in range(m):
                    area[d] += (hits[d] + positive[d] / 2) * negative[d]
                    false[d] += negative[d]
                    negative[d] = 0.0
            if some[0]:
                for d in range(m):
                    hits[d] += positive[d]
                    above = hits[d] + false[d]
                    precision[d] += positive[d] * hits[d] / (above if above > 0 else 1.0)
                    positive[d] = 0.0
                # between attacked windows fewer false positives are allowed, never more found
                for r in range(len(rates)):
                    for d in range(m):
                        best[r, d] = hits[d] if false_far[d] <= rates[r] * totals[2, d] + 1e-6 else best[r, d]
            some[:] = False
        for d in range(m):
            out[block + d, :] = np.nan
            if totals[0, d] > 0:
                out[block + d, 1] = precision[d] / totals[0, d]
                for r in range(len(rates)):
                    out[block + d, 2 + r] = best[r, d] / totals[0, d]
                if totals[1, d] > 0:
                    out[block + d, 0] = area[d] / (totals[0, d] * totals[1, d])
