"""`kdgat doctor`; standard library alone."""

from __future__ import annotations


def doctor(*, json: bool = False) -> int:
    """Say what is installed, what is missing, what that costs and how to get it.

    Exit code 1: a part is missing without which nothing works.

    Args:
        json: print the findings as JSON.
    """
    from kdgat import doctor

    return doctor.run(as_json=json)
