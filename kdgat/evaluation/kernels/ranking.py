"""Metrics of a ranking for every draw of a bootstrap, in one walk down the ranking for each draw."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel


@kernel
def ranked(weights, order, last, attacked, far, rates):
    """ROC-AUC, PR-AUC and recall at false-positive rates of weighted windows.

    Args:
        weights: f32[D, n], how often each window is drawn.
        order: i64[n], windows by falling score; last: bool[n], whether the next one's score is another.
        attacked, far: bool[n]; `far` are the windows that false-positive rates count.
        rates: f64[R].

    Returns:
        f64[D, 2 + R], NaN where a draw leaves it undefined.
    """
    draws, n = weights.shape
    out = np.full((draws, 2 + len(rates)), np.nan)
    for d in range(draws):
        all_attacked, all_benign, all_far = 0.0, 0.0, 0.0
        for i in range(n):
            all_attacked += weights[d, i] if attacked[i] else 0.0
            all_benign += 0.0 if attacked[i] else weights[d, i]
            all_far += weights[d, i] if far[i] else 0.0
        found, false, false_far = 0.0, 0.0, 0.0  # above the present score
        area, precision = 0.0, 0.0
        best = np.zeros(len(rates))
        positive, negative = 0.0, 0.0  # with the present score
        for k in range(n):
            i = order[k]
            if attacked[i]:
                positive += weights[d, i]
            else:
                negative += weights[d, i]
            false_far += weights[d, i] if far[i] else 0.0
            if not last[k]:
                continue
            area += (found + positive / 2) * negative
            found += positive
            false += negative
            if positive > 0:
                precision += positive * found / (found + false)
            for r in range(len(rates)):
                if false_far <= rates[r] * all_far + 1e-6:
                    best[r] = found
            positive, negative = 0.0, 0.0
        if all_attacked > 0:
            out[d, 1] = precision / all_attacked
            out[d, 2:] = best / all_attacked
            if all_benign > 0:
                out[d, 0] = area / (all_attacked * all_benign)
    return out
