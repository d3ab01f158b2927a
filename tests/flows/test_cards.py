"""Cards from a release's tables: what stands in them is what stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from analysis.releases.release import Release
from kdgat import records
from kdgat.records.tables import schema
from kdgat.runtime import configure

configure()

cards = pytest.importorskip("metaflow.cards")

MADE_AFTER_TASKS = ("summary", "ablations")


class Card(list):  # type: ignore[type-arg]
    """Stands for `current.card`: keeps what is appended."""

    def text(self) -> str:
        return "\n".join(c.render()["source"] for c in self if isinstance(c, cards.Markdown))

    def cells(self) -> list[list[list[Any]]]:
        return [c.render()["data"] for c in self if isinstance(c, cards.Table)]

    def charts(self) -> list[dict[str, Any]]:
        return [c.render()["spec"] for c in self if isinstance(c, cards.VegaChart)]


@pytest.fixture
def dumped(repo: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Tables of the committed release as a task would hold them."""
    monkeypatch.syspath_prepend(str(repo / "flows"))
    release = Release.open()
    return records.dump({n: of_today(n, release.table(n)) for n in release.tables if n not in MADE_AFTER_TASKS})


def of_today(name: str, table: pa.Table) -> pa.Table:
    """Fill the columns that are newer than the release, as a task of today does."""
    arrow = schema(name).arrow(table.column_names)
    empty = {pa.bool_(): False, pa.string(): ""}
    arrays = [
        pa.array([empty[f.type]] * table.num_rows) if table[f.name].null_count and not f.nullable else table[f.name]
        for f in arrow
    ]
    return pa.table(arrays, schema=arrow)


def table(dumped: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    return list(records.load(dumped)[name].to_pylist())


def test_a_trainings_card_has_curves_runs_time_and_memory(dumped: dict[str, bytes]) -> None:
    from support.cards import training_card  # type: ignore[import-not-found]

    card = Card()
    row = {"model": "gat-teacher", "protocol": "zero-shot", "tp": 5, "fn": 1, "fp": 2, "tn": 90}
    training_card(card, dumped, [row, row | {"protocol": "calibrated", "tp": 6}])
    runs, curves = table(dumped, "runs"), table(dumped, "curves")
    assert "on the validation windows, calibrated" in card.text()
    assert [cells[0][1:] for cells in card.cells()[1:3]] == [["5", "1", "2", "90"], ["6", "1", "2", "90"]]
    assert len(card.cells()[0]) == len(runs)
    values = [v for chart in card.charts()[1:] for v in chart["data"]["values"]]
    assert len(values) == len(curves) and {c["metric"] for c in values} == {c["metric"] for c in curves}
    assert [b["seconds"] for b in card.charts()[0]["data"]["values"]] == [r["seconds"] for r in runs]
    used = {row[0]: row[1] for row in card.cells()[3]}
    assert used["peak memory"].endswith(" MB") and used["machine"] == runs[0]["machine"]


def test_an_evaluations_card_has_the_confusion_of_every_model(dumped: dict[str, bytes]) -> None:
    from support.cards import evaluation_card

    card = Card()
    evaluation_card(card, dumped)
    rows = [r for r in table(dumped, "confusion") if r["attack"] == "all"]
    body = [row for cells in card.cells()[:-1] for row in cells]
    assert len(body) == len(rows)
    assert sum(int(row[1]) for row in body) == sum(r["tp"] for r in rows)
    assert sum(int(row[3]) for row in body) == sum(r["fp"] for r in rows)


def test_a_searchs_card_has_history_and_importance(dumped: dict[str, bytes]) -> None:
    from support.cards import search_card

    card = Card()
    history = [
        {"trial": 0, "state": "COMPLETE", "loss": 0.5, "best": 0.5},
        {"trial": 1, "state": "PRUNED", "loss": 0.9, "best": 0.5},
    ]
    search_card(card, {"number": 0, "value": 0.5, "params": {"x": 0.12345678}}, history, {"x": 0.75})
    assert "trial 0, validation loss 0.50000" in card.text() and card.cells()[0] == [["x", "0.1235"]]
    assert card.charts()[0]["data"]["values"] == history
    assert card.charts()[1]["data"]["values"] == [{"parameter": "x", "importance": 0.75}]


def test_the_cards_of_the_flows_are_drawn_once(repo: Path) -> None:
    """Metaflow's own `blank` takes a second process, which says that nothing moves any more."""
    from metaflow.plugins import CARDS

    types = {card.type: card for card in CARDS}
    flows = "".join(path.read_text() for path in (repo / "flows").glob("*_flow.py"))
    assert set(re.findall(r'@card\(type="(\w+)"', flows)) == {"still"}
    assert types["still"].ALLOW_USER_COMPONENTS and not types["still"].RUNTIME_UPDATABLE
