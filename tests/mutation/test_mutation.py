"""Forty changes of a release; `make soak` tries a thousand."""

from __future__ import annotations

import shutil

import pytest

from tests.mutation import counts


def test_no_change_is_unseen_but_where_nothing_determines_what_was_changed(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen")
    tally = counts.count(tmp_path, seed=20, cases=40)
    print(tally)
    assert tally.problems == []


def test_the_list_of_what_nothing_determines_only_becomes_shorter():
    assert len(counts.UNDETERMINED) <= 88
