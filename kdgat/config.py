"""Configurations: frozen, typed, hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kdgat.errors import KdgatError

FeatureSet = Literal["published", "relative", "profile", "memory"]
#: what `memory` says of a frame (`kdgat.graphs.features` explains each)
FrameColumn = Literal[
    "short", "short_of_least", "short_in_jitter", "short_pair", "long", "jitter", "flips", "flip_excess", "jump",
    "new_bits", "broken_counters", "out_of_range", "dlc_change", "joined", "seen", "age", "bus_rush", "overdue",
    "profile_strange", "profile_short", "profile_short_of_least", "profile_new_bits", "profile_out_of_range",
    "profile_dlc",
]  # fmt: skip


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _ascending(ends: tuple[Any, Any]) -> tuple[Any, Any]:
    if ends[0] > ends[1]:
        raise ValueError(f"from {ends[0]} to {ends[1]} is no range")
    return ends


def _k_of_n(alarm: tuple[int, int]) -> tuple[int, int]:
    if alarm[0] > alarm[1]:
        raise ValueError(f"k is at most n, got {alarm[0]} of {alarm[1]}")
    return alarm


def _whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares of a whole have the sum 1, these {sum(shares):g}")
    return shares


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
#: of a car: of 11 bits, neither 0 nor the last
Identifiers = Annotated[int, Field(ge=1, le=0x7FE)]
#: from and to
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Shares = Annotated[tuple[Share, Share], AfterValidator(_ascending)]
Counts = Annotated[tuple[Count, Count], AfterValidator(_ascending)]
#: of a whole: of vehicles, some of them none, and of a capture, whose parts all are needed
Parts = Annotated[tuple[Share, Share, Share], AfterValidator(_whole)]
Split = Annotated[tuple[Positive, Positive, Positive], AfterValidator(_whole)]
#: units of layers, of which there is one or more
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]


#: marks a field that is newer than the first releases: `Field(default, json_schema_extra=ADDED)`
ADDED: dict[str, Any] = {"added": True}


def _older(config: BaseModel) -> dict[str, Any]:
    """Values for JSON without those fields that were added later and have their default."""
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if field.json_schema_extra == ADDED and value == field.get_default(call_default_factory=True):
            del values[name]
        elif isinstance(value, BaseModel):
            values[name] = _older(value)
        elif isinstance(value, list | tuple):
            values[name] = [
                _older(v) if isinstance(v, BaseModel) else w for v, w in zip(value, values[name], strict=True)
            ]
    return values


class Windows(_Frozen):
    """How a capture becomes graphs."""

    size: int = Field(100, ge=2, description="frames in a window (W)")
    stride: int = Field(100, ge=1, description="frames between the starts of two windows")
    fractions: Split = Field(
        (0.7, 0.1, 0.2), description="share of each training capture for train, fusion-train, validation"
    )
    blocks: int = Field(
        10, ge=3, description="time blocks a training capture is cut into before they are dealt out; one a part or more"
    )
    max_windows: Count | None = Field(None, description="cap on training windows, stratified random; None: all")
    profile_seconds: float = Field(10.0, gt=0, description="unlabelled traffic that gives a vehicle's profile (s)")
    causal: bool = Field(
        False, description="score no window that lies before the traffic of its profile", json_schema_extra=ADDED
    )
    profile_from: Literal["all", "quiet"] = Field(
        "all", description="seconds of it an ID is described from: all, or the half in which it sends least"
    )
    balance: Literal["none", "vehicle"] = Field(
        "none",
        description="training windows of captures: as many as there are, or as many of each vehicle as of another",
        json_schema_extra=ADDED,
    )
    hidden: tuple[FrameColumn, ...] = Field(
        (),
        description="columns of a frame in `memory` that no network sees, worst nor mean; boosting sees them, and other "
        "features have none of them",
        json_schema_extra=ADDED,
    )

    @field_validator("hidden")
    @classmethod
    def _each_once(cls, hidden: tuple[FrameColumn, ...]) -> tuple[FrameColumn, ...]:
        if twice := [name for k, name in enumerate(hidden) if name in hidden[:k]]:
            raise ValueError(f"{twice[0]!r} is named twice")
        return hidden


class Augmentation(_Frozen):
    """Virtual vehicles that are mixed into the training windows."""

    vehicles: int = Field(120, ge=0, description="virtual vehicles; 0 trains on real captures alone")
    windows_per_vehicle: int = Field(100, ge=1)
    attacked: float = Field(0.5, ge=0, le=1, description="share of the virtual vehicles' windows under attack")
    ranges: Literal["wide", "lifelike"] = Field("wide", description="what virtual vehicles are drawn from")
    rate: Range = Field(
        (1000.0, 3000.0), description="frames a second of a virtual vehicle's bus; drives have their own"
    )
    bursts: Shares = Field((0.0, 0.0), description="share of a virtual vehicle's IDs sent in bursts")
    segment: Range = Field((0.2, 1.0), description="length of an attack, from and to (s)")
    profiles: Parts = Field(
        (0.45, 0.35, 0.2), description="share of vehicles with a clean profile, none, one taken during an attack"
    )

    kind: Literal["windows", "drives"] = Field(
        "windows",
        description="what a virtual vehicle gives: neighbouring windows, or windows of a whole drive from an empty bus",
        json_schema_extra=ADDED,
    )
    seconds: Range = Field((40.0, 60.0), description="length of a drive (s)", json_schema_extra=ADDED)
    drawn: Counts = Field((20, 80), description="windows drawn of a drive", json_schema_extra=ADDED)
    strikes: Counts = Field((3, 8), description="attacks on a drive", json_schema_extra=ADDED)
    evaders: float = Field(
        0.25, ge=0, le=1, description="share of a drive's attackers who know the detector", json_schema_extra=ADDED
    )
    gaps: Range = Field(
        (0.2e-3, 3.0), description="mean gap between forged frames (s), from and to, on drives", json_schema_extra=ADDED
    )
    identifiers: Annotated[tuple[Identifiers, Identifiers], AfterValidator(_ascending)] = Field(
        (10, 120), description="identifiers of a drawn car, from and to, on drives", json_schema_extra=ADDED
    )
    waking: float = Field(
        0.5, ge=0, le=1, description="share of trips on which senders wake after the recording began",
        json_schema_extra=ADDED,
    )  # fmt: skip
    cut_from: Literal["attack-free", "all"] = Field(
        "attack-free",
        description="captures that drives are cut from; all: also those with attacks, farther than 1 s from any",
        json_schema_extra=ADDED,
    )
    parked: float = Field(
        0.0, ge=0, le=1, description="share of trips that begin with the car parked: most of its values stand still",
        json_schema_extra=ADDED,
    )  # fmt: skip


class VGAEConfig(_Frozen):
    """Graph autoencoder: encoder widths, latent size, attention heads."""

    hidden: Widths = (64, 32)
    latent: Count = 16
    heads: Count = 2
    beta: float = Field(0.1, ge=0, description="weight of the KL term")


class GATConfig(_Frozen):
    """Graph attention classifier."""

    hidden: Count = 16
    heads: Count = 4
    layers: int = Field(2, ge=0, description="of convolutions; 0: the nodes' features are pooled as they are")
    mlp: tuple[Count, ...] = (64,)
    dropout: float = Field(0.1, ge=0, lt=1)
    jumping_knowledge: Literal["none", "cat", "max", "lstm"] = "cat"
    convolution: Literal["gatv2", "gat", "gps"] = "gatv2"
    edge_features: bool = True
    id_encoding: Literal["none", "lookup", "unknown", "hashed", "masked"] = "none"
    readout: Literal["mean-max", "mean-max-min"] = Field(
        "mean-max",
        description="what a graph's vector is made of, beside the mean weighted by frames",
        json_schema_extra=ADDED,
    )


class Training(_Frozen):
    """Optimisation of one model."""

    epochs: int = Field(4, ge=1)
    batch_size: int = Field(128, ge=1)
    learning_rate: Positive = 2e-3
    weight_decay: float = Field(1e-4, ge=0)
    curriculum: Literal["vgae", "random", "sampled", "none"] = Field(
        "vgae",
        description="which benign windows come first: easy ones, arbitrary ones, others in each epoch; none: all",
    )
    curriculum_tau: float = Field(1.0, gt=0, description="epochs; p_t = 1 − exp(−t/τ)")
    patience: int = Field(
        0,
        ge=0,
        description="epochs without a lower validation loss after which training ends and the best one counts, at a "
        "constant learning rate; 0: all epochs, and the last one counts",
        json_schema_extra=ADDED,
    )


class Distillation(_Frozen):
    """`weight·T²·KL(student/T ‖ teacher/T) + (1 − weight)·CE` (KD-GAT, arXiv 2507.19686)."""

    weight: float = Field(0.7, ge=0, le=1)
    temperature: float = Field(4.0, gt=0)


class FusionConfig(_Frozen):
    """DQN over 21 weights (arXiv 2508.04845), γ = 0 because windows are independent."""

    hidden: Widths = (64, 64)
    steps: int = Field(2000, ge=1)
    batch_size: Count = 256
    learning_rate: Positive = 1e-3
    false_alarm_cost: float = Field(1.0, gt=0, description="cost of a false alarm over that of a miss")


class Adaptation(_Frozen):
    """The protocol `adapted` (`kdgat.evaluation.adaptation`), the same for all models; chosen without test captures."""

    seconds: float = Field(10.0, gt=0, description="of the stream that the operating point follows (s)")
    least_seconds: float = Field(1.0, ge=0, description="before which the zero-shot point stands (s)")
    quantile: float = Field(0.25, gt=0, lt=0.5, description="of these windows' logits, the middle of benign traffic")
    low: float = Field(0.05, gt=0, lt=0.5, description="quantile whose distance from it measures the spread")
    multiple: float = Field(6.0, gt=0, description="of the spread that a window must exceed `quantile` by")
    floor: float = Field(0.25, gt=0, description="least spread, in logits")

    @model_validator(mode="after")
    def _spread(self) -> Adaptation:
        if self.low >= self.quantile:
            raise ValueError(f"low {self.low:g} is not under quantile {self.quantile:g}: there is no spread between")
        return self


class Config(_Frozen):
    """Everything that decides a run's result, besides the code, the data and the seed."""

    preset: str = "demo"
    features: FeatureSet = "profile"
    windows: Windows = Windows()
    augmentation: Augmentation = Augmentation()
    vgae_teacher: VGAEConfig = VGAEConfig()
    vgae_student: VGAEConfig = VGAEConfig(hidden=(32, 16), latent=8, heads=1)
    gat_teacher: GATConfig = GATConfig(hidden=32, heads=4, layers=3, mlp=(128,))
    gat_student: GATConfig = GATConfig()
    training: Training = Training()
    distillation: Distillation = Distillation()
    operating_point: Literal["validation", "half"] = Field(
        "validation", description="threshold of the best F1 on validation windows, or 0.5"
    )
    false_alarm_rate: float | None = Field(
        None, gt=0, lt=1, description="share of benign windows that may raise an alarm, in place of `operating_point`"
    )
    student_alone: bool = Field(
        False, description="train the GAT student without a teacher too, whole, beside it", json_schema_extra=ADDED
    )
    models: Literal["all", "alone"] = Field(
        "all",
        description="what is trained: everything, or the GAT student without a teacher and the baselines",
        json_schema_extra=ADDED,
    )
    recipe: bool = Field(
        False,
        description="of older runs, which trained the published recipe beside the rest: a flow of its own now",
        json_schema_extra=ADDED,
    )
    alarm: Annotated[tuple[Count, Count], AfterValidator(_k_of_n)] = Field(
        (1, 1), description="k and n: an alarm sounds while k of the last n windows are over", json_schema_extra=ADDED
    )
    adaptation: Adaptation = Field(Adaptation(), json_schema_extra=ADDED)
    fusion: FusionConfig = FusionConfig()
    fusion_student: FusionConfig = FusionConfig(hidden=(32, 32))
    bootstrap_draws: int = Field(500, ge=10)

    @property
    def virtual_seconds(self) -> float:
        """Scored traffic of a virtual vehicle of the kind `windows` (s): of 1,000 frames/s and more it holds the windows asked for."""
        return 1.1 * self.augmentation.windows_per_vehicle * self.windows.size / 1500

    @model_validator(mode="after")
    def _attacks_end(self) -> Config:
        longest = self.augmentation.segment[1]
        if self.augmentation.vehicles and self.augmentation.kind == "windows" and longest > self.virtual_seconds:
            raise ValueError(
                f"augmentation.segment: {longest:g} s of attack are longer than the {self.virtual_seconds:.3g} s of a "
                "virtual vehicle's windows"
            )
        return self

    def canonical(self) -> str:
        """Write canonical JSON (sorted keys, no spaces), of which `hash` is taken.

        A field that was added after a release was frozen is marked `ADDED` and left out while it has its default, so that
        a new setting changes no older hash.
        """
        return json.dumps(_older(self), sort_keys=True, separators=(",", ":"))

    def hash(self) -> str:
        """sha256 of `canonical()`."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def flat(self) -> dict[str, Any]:
        """Dotted path → value, for the table of hyper-parameters."""

        def walk(prefix: str, value: Any) -> dict[str, Any]:
            if isinstance(value, dict):
                return {k: v for name, inner in value.items() for k, v in walk(f"{prefix}{name}.", inner).items()}
            return {prefix[:-1]: value}

        return walk("", self.model_dump(mode="json"))


def override(config: Config, settings: Mapping[str, Any]) -> Config:
    """`config` with other values at dotted paths, validated.

    Raises:
        KdgatError: a path or value that no configuration has.
    """
    values = config.model_dump()
    for path, value in settings.items():
        *folders, name = path.split(".")
        inner = values
        for folder in folders:
            inner = inner.get(folder, {}) if isinstance(inner, dict) else {}
        if not isinstance(inner, dict) or name not in inner:
            raise KdgatError(f"no setting is called {path!r}")
        inner[name] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise KdgatError(f"setting {first_fault(error)}") from None


def first_fault(error: ValidationError) -> str:
    """Where a document's first fault is, and what it is."""
    first = error.errors()[0]
    value, where = first["input"], ".".join(map(str, first["loc"]))
    told = isinstance(value, int | float | str) and first["type"] != "value_error"
    reason = first["msg"].removeprefix("Value error, ") + (f", got {value!r:.60}" if told else "")
    return f"{where}: {reason}" if where else reason


def from_json(file: Path) -> Config:
    """Read a configuration, as a release's manifest holds it.

    Raises:
        KdgatError: the file is not there, or holds none.
    """
    try:
        return Config.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise KdgatError(f"{file}: {error}") from None
    except ValidationError as error:
        raise KdgatError(f"{file} holds no configuration: {first_fault(error)}") from None
