"""Which code each task ran: kept with its artifacts, refused where it is mixed, told when a run is resumed with another.

The artifact `code` maps the hash of `kdgat/` and `flows/` to the steps that ran it, in the order of the flow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from kdgat.errors import KdgatError
from kdgat.provenance import code_hash


def merged(parts: Iterable[dict[str, list[str]]]) -> dict[str, list[str]]:
    """One record of several; a step stands once under each hash."""
    record: dict[str, list[str]] = {}
    for part in parts:
        for code, steps in part.items():
            record.setdefault(code, []).extend(s for s in steps if s not in record.get(code, []))
    return record


def record(flow: Any, step: str, inputs: Sequence[Any] | None = None) -> None:
    """Note this task's code; of a join (`inputs`), refuse results of different code.

    Raises:
        KdgatError: the inputs, or they and this task, ran different code.
    """
    earlier = [getattr(flow, "code", {})] if inputs is None else [i.code for i in inputs]
    code = merged([*earlier, {code_hash(): [step]}])
    if inputs is not None and len(code) > 1:
        ran = "; ".join(f"{', '.join(steps)} ran {hashed[:12]}" for hashed, steps in code.items())
        raise KdgatError(f"the tasks of this run ran different code ({ran}): resume with one of them, or run anew")
    flow.code = code


def ran(flow: str, run: str) -> set[str]:
    """Hashes of the code that the finished tasks of a run ran; none where there is no such run, or nothing had finished."""
    from metaflow import Run, namespace
    from metaflow.exception import MetaflowException

    namespace(None)
    try:
        done = [task for step in Run(f"{flow}/{run}") for task in step if task.successful]
    except MetaflowException:
        return set()
    return {code for task in done if "code" in task for code in task["code"].data}


def tell(flow: str, origin: str) -> None:
    """Say so where the run `origin`, which is about to be resumed, ran other code than is here now."""
    if others := ran(flow, origin) - {code_hash()}:
        print(
            f"resume: run {origin} ran other code ({', '.join(sorted(c[:12] for c in others))}) than is here "
            f"({code_hash()[:12]}); its finished tasks are kept as they are, and join refuses to mix the two",
            file=sys.stderr,
            flush=True,
        )
