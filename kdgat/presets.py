"""Presets: the configurations `smoke`, `demo`, `paper`, what `kdgat select` chose for the last two, and those that a search found."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from kdgat.config import Augmentation, Config, FusionConfig, Share, Training, Windows, first_fault, override
from kdgat.errors import KdgatError
from kdgat.paths import REPO

PRESETS: dict[str, Config] = {
    "smoke": Config(
        preset="smoke",
        windows=Windows(max_windows=1500),
        augmentation=Augmentation(vehicles=10, windows_per_vehicle=60),
        training=Training(epochs=1),
        fusion=FusionConfig(steps=200),
        fusion_student=FusionConfig(hidden=(32, 32), steps=200),
        bootstrap_draws=100,
    ),
    # over these stand the settings that were chosen blind
    "demo": Config(preset="demo"),
    "paper": Config(preset="paper", bootstrap_draws=2000),
}
#: what the preset `demo` has less of than `paper`, over the settings that were chosen
DEMO_BUDGET: dict[str, Any] = {"augmentation.vehicles": 400, "training.epochs": 3}

#: what `kdgat select` chose, without a look at any test capture
CHOICE = REPO / "data" / "choice.toml"
#: how a threshold may be chosen on validation windows: settings
THRESHOLDS: dict[str, dict[str, Any]] = {
    "half": {"operating_point": "half"},
    "best-f1": {"operating_point": "validation"},
    "1 %": {"false_alarm_rate": 0.01},
    "0.3 %": {"false_alarm_rate": 0.003},
}

#: presets that a search found (`kdgat search preset`)
PRESET_FOLDER = REPO / "conf" / "presets"


def settings_lines(settings: Mapping[str, Any]) -> list[str]:
    """The table `settings` of a preset's file, as TOML."""
    return ["[settings]", *(f"{json.dumps(path)} = {json.dumps(value)}" for path, value in sorted(settings.items()))]


class _Read(BaseModel):
    """What is read of a file; whatever else it says is for people."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class _Preset(_Read):
    """A file of a preset: `settings` over those of `base`, and the hash of the configuration that they give."""

    base: str
    config_hash: str
    settings: dict[str, Any]


#: by how much a mean of rounded values may differ from the mean, rounded
ROUNDED = 1.1e-4


class Point(_Read):
    """What a rule of operating points costs: alarm events an hour far from attacks."""

    what: str
    name: str
    alarms: float = Field(ge=0)


class Judged(_Read):
    """A candidate: recall at 1 % false positives, its mean and case by case (`car cars kind · protocol`), and its alarms."""

    candidate: str
    mean: Share
    alarms: float = Field(ge=0)
    recall: dict[Annotated[str, StringConstraints(pattern=r"^\S+ \S+ \S+ · \S+$")], Share] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Judged:
        mean = sum(self.recall.values()) / len(self.recall)
        if abs(mean - self.mean) > ROUNDED:
            raise ValueError(f"the cases of {self.candidate!r} have the mean {mean:.4f}, not {self.mean:g}")
        return self


class Choice(_Read):
    """What `kdgat select` chose, and what it was chosen by."""

    candidate: str
    config_hash: str
    chosen: AwareDatetime = Field(strict=True)
    settings: dict[str, Any]
    points: tuple[Point, ...]
    screening: tuple[Judged, ...]
    ranking: tuple[Judged, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Choice:
        for table in ("screening", "ranking"):
            names = [row.candidate for row in getattr(self, table)]
            if twice := [name for k, name in enumerate(names) if name in names[:k]]:
                raise ValueError(f"[[{table}]] has the candidate {twice[0]!r} twice")
            if len({frozenset(row.recall) for row in getattr(self, table)}) > 1:
                raise ValueError(f"the candidates of [[{table}]] were not judged on the same cases")
        _ = self.winner, self.point
        return self

    @property
    def winner(self) -> Judged:
        """The row of the candidate chosen, in `ranking`."""
        for row in self.ranking:
            if row.candidate == self.candidate:
                return row
        raise ValueError(f"[[ranking]] has no candidate {self.candidate!r}, which it says was chosen")

    @property
    def point(self) -> Point:
        """What the threshold chosen costs: the point of that rule of `THRESHOLDS` whose settings these are."""
        # a rate comes last: it stands in place of the operating point
        rules = [r for r, own in THRESHOLDS.items() if all(self.settings.get(k) == v for k, v in own.items())]
        if not rules:
            raise ValueError(f"its settings have no threshold of {', '.join(THRESHOLDS)}")
        for point in self.points:
            if (point.what, point.name) == ("threshold", rules[-1]):
                return point
        raise ValueError(f"[[points]] has no threshold {rules[-1]!r}, which its settings have")


Document = TypeVar("Document", bound=_Read)


def _document(kind: type[Document], file: Path, remedy: str) -> Document:
    """Read a file of settings (TOML)."""
    try:
        return kind.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise KdgatError(f"{file.name} is not UTF-8: byte {error.start}; {remedy}") from None
    except OSError as error:
        raise KdgatError(f"{file.name}: {error.strerror}; {remedy}") from None
    except ValidationError as error:
        raise KdgatError(f"{file.name}: {first_fault(error)}; {remedy}") from None
    except (ValueError, RecursionError) as error:  # bad TOML, numbers of thousands of digits, lists in lists
        raise KdgatError(f"{file.name}: {error}; {remedy}") from None


def _configured(name: str, file: Path, base: Config, document: Choice | _Preset, remedy: str) -> Config:
    """Make the preset that a file describes, and compare it with the hash there."""
    try:
        config = override(base, {**document.settings, "preset": name})
    except KdgatError as error:
        raise KdgatError(f"{file.name}: {error}; {remedy}") from None
    if config.hash() != document.config_hash:
        raise KdgatError(f"{file.name} names another configuration than its settings give: {remedy}")
    return config


def choice() -> tuple[Choice, Config]:
    """Read `data/choice.toml`: what was chosen, and the preset `paper` that follows from it.

    Raises:
        KdgatError: the file is not there, holds no choice, or one of another configuration than it says.
    """
    remedy = "`kdgat select` writes it"
    chosen = _document(Choice, CHOICE, remedy)
    return chosen, _configured("paper", CHOICE, PRESETS["paper"], chosen, remedy)


def preset(name: str) -> Config:
    """Make the preset called `name`; `paper` and `demo` have the settings of `data/choice.toml`.

    Raises:
        KdgatError: no preset has that name, or its file describes none, or another configuration than it says.
    """
    return _preset(name, ())


def _preset(name: str, over: tuple[str, ...]) -> Config:
    """Make the preset `name`, which the presets `over` are based on, one on the next."""
    if name in ("paper", "demo"):
        _, paper = choice()
        small = {"preset": "demo", "bootstrap_draws": PRESETS["demo"].bootstrap_draws}
        return paper if name == "paper" else override(paper, small | DEMO_BUDGET)
    if name in PRESETS:
        return PRESETS[name]
    file, remedy = PRESET_FOLDER / f"{name}.toml", "`kdgat search preset` writes it, over the presets as they are then"
    if not name.isidentifier() or len(name) > 64 or not file.is_file():
        told = f"{over[-1]}.toml: " if over else ""
        raise KdgatError(f"{told}no preset is called {name!r}; known: {', '.join(PRESETS)}")
    if name in over:
        raise KdgatError(f"{file.name} is based on itself ({' on '.join((*over, name))}); {remedy}")
    document = _document(_Preset, file, remedy)
    return _configured(name, file, _preset(document.base, (*over, name)), document, remedy)
