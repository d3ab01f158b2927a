"""`kdgat trace`."""

from __future__ import annotations


def trace(key: str | None = None, /, *, release: str | None = None, json: bool = False) -> int:
    """Go back from a number to its rows, runs, code, configuration and data.

    Args:
        key: key of a number, or a value as text and tables show it (0.893), whose keys are listed; without one, all
            keys are.
        release: name of the release. [default: the current one]
        json: print the trace, or the list of keys, as JSON.
    """
    from analysis import trace

    return trace.run(key, release, as_json=json)
