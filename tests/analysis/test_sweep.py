"""What is missed of the sweep over all identifiers, in the current release."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.releases.release import Release

#: between the two passes (s after the first frame of the recording)
BETWEEN = 80.0


@pytest.mark.parametrize("dataset", ["universal", "universal-without-platform"])
def test_windows_below_the_threshold_of_one_percent_lie_in_the_second_pass(dataset: str) -> None:
    file = Release.open().path / "predictions" / dataset / "set_01-test_04.parquet"
    rows = pq.read_table(file, filters=[("protocol", "=", "zero-shot")])
    attacked, t0 = rows["injected"].to_numpy() > 0, rows["t0"].to_numpy()
    assert (t0[attacked] < BETWEEN).any() and (t0[attacked] > BETWEEN).any()
    for seed in range(5):
        scores = rows[f"gat-alone-student@{seed}"].to_numpy()
        missed = attacked & (scores <= np.quantile(scores[~attacked], 0.99))
        assert missed.any() and (t0[missed] > BETWEEN).all()
