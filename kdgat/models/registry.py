"""Every model by name: `models.json`, the one list, which the pages of the site read too.

Adding a model is an entry here, a file of its own, its settings and its tests. A release is read by the names that it
holds itself, so an entry changes no release.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kdgat.errors import KdgatError

MODELS = Path(__file__).parent / "models.json"
#: colour of a model that the list does not have, e.g. one that only an older release holds
OTHER = "#999999"
#: kinds that checkpoints name otherwise than the family
_KINDS = {"q": "fusion-dqn"}


@dataclass(frozen=True)
class Model:
    """One entry.

    Attributes:
        name: `<family>-<role>`.
        family, role: `gat`, `student`; roles are teacher, student and baseline.
        builder: what makes it, as `module:function`; None for what is computed from other models' scores.
        scored: its window scores are released.
        bound: it knows the labels: shown as a bound, never ranked.
        label: its name for readers.
        color: the same in every figure, table and page.
        rank: place in every list, ascending.
        compared: labels of the tables and figures that compare it with others.
        kind: what it stands for where kinds of detector are compared, of which the first that a release holds is shown.
        profile: it needs a vehicle's profile (True) or knows none (False); None: it takes one where there is one.
    """

    name: str
    family: str
    role: str
    builder: str | None
    scored: bool
    bound: bool
    label: str
    color: str
    rank: int
    compared: tuple[str, ...] = ()
    kind: str = ""
    profile: bool | None = None

    def make(self) -> Callable[..., Any]:
        """Import the builder: for a network, from a checkpoint's description to `nn.Module`; for a baseline, from configuration and seed."""
        if self.builder is None:
            raise TypeError(f"{self.name} has no builder")
        module, _, function = self.builder.partition(":")
        builder: Callable[..., Any] = getattr(import_module(module), function)
        return builder


@cache
def models() -> dict[str, Model]:
    """Read the list: name → entry, by rank."""
    listed = json.loads(MODELS.read_text(encoding="utf-8"))
    entries = [Model(**entry | {"compared": tuple(entry.get("compared", ()))}) for entry in listed]
    return {m.name: m for m in sorted(entries, key=lambda m: m.rank)}


def scored() -> tuple[str, ...]:
    """Names of the models whose window scores new releases hold."""
    return tuple(m.name for m in models().values() if m.scored)


def compared(label: str, *, profiled: bool | None = None) -> tuple[Model, ...]:
    """Entries that the table or figure with this label compares, by rank.

    Args:
        label: such as `tbl-main`.
        profiled: of those that differ by it, only the ones for traffic with a profile (True) or without (False); None: all.
    """
    of = (m for m in models().values() if label in m.compared)
    return tuple(m for m in of if profiled is None or m.profile in (None, profiled))


def bounds() -> frozenset[str]:
    """Names of the models that know the labels."""
    return frozenset(m.name for m in models().values() if m.bound)


def of_role(role: str) -> tuple[Model, ...]:
    """Entries of one role that can be built, by rank."""
    return tuple(m for m in models().values() if m.role == role and m.builder)


def network(kind: str) -> Callable[..., Any]:
    """Find the builder of a network by the kind that its checkpoint names.

    Raises:
        KdgatError: no network is of this kind.
    """
    family = _KINDS.get(kind, kind)
    for model in (*of_role("teacher"), *of_role("student")):
        if model.family == family:
            return model.make()
    raise KdgatError(f"no model is of kind {str(kind)[:40]!r}")


def label(name: str) -> str:
    """`gat-student` → `GAT student`; a name that the list does not have stays as it is."""
    return models()[name].label if name in models() else name


def color(name: str) -> str:
    """Look up the colour of a model."""
    return models()[name].color if name in models() else OTHER


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names by rank, each once; those that the list does not have come last."""
    last = max(m.rank for m in models().values()) + 1
    return sorted(set(names), key=lambda name: (models()[name].rank if name in models() else last, name))
