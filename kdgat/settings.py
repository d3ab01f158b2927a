"""What differs from one computer to the next, in one file: `conf/site.toml`, or the file that $KDGAT_SITE names.

Without such a file everything runs where it is started. `conf/site.example.toml` explains every setting.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kdgat.errors import KdgatError
from kdgat.paths import REPO

#: a word that may stand on a command line of SLURM
Word = Annotated[str, StringConstraints(pattern=r"^[\w.,:@+/&|*=-]+$")]
#: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS
Duration = Annotated[str, StringConstraints(pattern=r"^(\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2})$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Request(_Table):
    """What one SLURM job asks for; None leaves it to the cluster."""

    partition: Word | None = Field(None, description="one or several, with commas")
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = Field(None, description="features of a node, e.g. `a100|h100`")
    gpus: Word | None = Field(None, description="`1`, or with a type, `a100:2`")
    cpus: int | None = Field(None, ge=1)
    memory: int | None = Field(None, ge=1, description="MB")
    time: Duration | None = Field(None, description="limit in SLURM's notation, e.g. `4:00:00` or `90` (minutes)")
    signal: int = Field(120, ge=0, description="seconds before the limit at which a step is told to save; 0: never")
    resubmit: int = Field(3, ge=0, description="how often a step that saved, or was preempted, is submitted again")


class Srun(Request):
    """Defaults of `--with srun`, and which steps it applies to."""

    local: tuple[str, ...] = Field(("start", "end"), description="light steps, which stay with the head")
    jobs: int = Field(32, ge=1, description="tasks at once")
    steps: dict[str, dict[str, Any]] = Field(default_factory=dict, description="settings of single steps")

    def request(self, step: str, **asked: Any) -> Request:
        """What `step` asks for: `asked` (values that are None do not count), else its own settings, else the defaults.

        Raises:
            KdgatError: a value that SLURM would not understand.
        """
        common = {name: getattr(self, name) for name in Request.model_fields}
        options = {k: v for k, v in asked.items() if v is not None}
        try:
            return Request.model_validate(common | self.steps.get(step, {}) | options)
        except ValidationError as error:
            raise KdgatError(f"--with srun, step {step}: {_first(error)}") from None


class HeadJob(_Table):
    """The job in which `flows/cluster.py submit` runs the head of a flow: small and long."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    cpus: int = Field(1, ge=1)
    memory: int | None = Field(4000, ge=1, description="MB")
    time: Duration | None = "2-00:00:00"


class Paths(_Table):
    """Folders that every node sees."""

    store: Path | None = Field(None, description="Metaflow's store ($METAFLOW_DATASTORE_SYSROOT_LOCAL)")
    work: Path | None = Field(None, description="graph stores, checkpoints, tracker files ($KDGAT_WORK)")
    data: Path | None = Field(None, description="captures ($KDGAT_DATA)")


class Environment(_Table):
    """How a task finds its programs: the head's own Python, after `setup`, or inside an image."""

    setup: tuple[str, ...] = Field((), description="shell lines before each task, e.g. `module load cuda/12`")
    image: Path | None = Field(None, description="Apptainer image (container/kdgat.def)")
    bind: tuple[str, ...] = Field((), description="further folders the image sees")


class TrainingSettings(_Table):
    """How a training uses its machine; nothing here is part of a configuration, or changes batches and steps."""

    devices: int | None = Field(None, ge=1, description="processes of one training; default: the GPUs it was granted")
    nodes: int | None = Field(None, ge=1, description="of window graphs that a device takes at once")
    edges: int | None = Field(
        None, ge=1, description="likewise; what is more is taken in micro-batches, gradients added up"
    )
    replay: bool = Field(False, description="one GPU records passes as CUDA graphs and plays them again")


class Tracking(_Table):
    """Which trackers may be used: what leaves the site is the site's decision."""

    allowed: tuple[Literal["wandb", "mlflow", "none"], ...] = ("wandb", "mlflow", "none")
    project: str = "kd-gat"


class Settings(_Table):
    """All settings."""

    paths: Paths = Paths()
    environment: Environment = Environment()
    training: TrainingSettings = TrainingSettings()
    tracking: Tracking = Tracking()
    head: HeadJob = HeadJob()
    srun: Srun = Srun()


def path() -> Path:
    """The settings' file, whether or not it is there."""
    return Path(os.environ.get("KDGAT_SITE") or REPO / "conf" / "site.toml").resolve()


@cache
def settings() -> Settings:
    """Settings of this computer.

    Raises:
        KdgatError: a file that is named but not there, or that says something unknown.
    """
    file = path()
    if not file.is_file():
        if os.environ.get("KDGAT_SITE"):
            raise KdgatError(f"KDGAT_SITE names no file: {file}")
        return Settings()
    return read(file)


def read(file: Path) -> Settings:
    """Settings from a file.

    Raises:
        KdgatError: not TOML, an unknown setting, a value of the wrong form.
    """
    try:
        file_settings = Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KdgatError(f"{file}: {error}") from None
    except ValidationError as error:
        raise KdgatError(f"{file}: {_first(error)}") from None
    for step in file_settings.srun.steps:
        file_settings.srun.request(step)  # a step's own settings are checked when the file is read, not hours later
    return file_settings


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def backends(arguments: Sequence[str]) -> set[str]:
    """Names of the decorators that a flow's command line, or $METAFLOW_DEFAULT_DECOSPECS, adds to its steps."""
    given = {after for word, after in pairwise(arguments) if word == "--with"}
    given |= {word.removeprefix("--with=") for word in arguments if word.startswith("--with=")}
    return {spec.partition(":")[0] for spec in [*given, *os.environ.get("METAFLOW_DEFAULT_DECOSPECS", "").split()]}


def workers(arguments: Sequence[str]) -> int:
    """Tasks at once for a flow's command line: what the site allows in SLURM's queue, else one a core.

    One torch thread per process and one process per core is the fastest split of one computer.
    """
    return settings().srun.jobs if {"srun", "slurm"} & backends(arguments) else os.cpu_count() or 1
