"""The command line that runs one attempt of a task as a SLURM job of its own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kdgat.paths import REPO
from kdgat.settings import Environment, Request

LAUNCHER = Path(__file__).with_name("launch.py")


def srun(request: Request, name: str) -> list[str]:
    """`srun` and its options; `name` is the job's."""
    options: dict[str, object] = {
        "job-name": name,
        "ntasks": 1,
        "nodes": 1,
        "partition": request.partition,
        "account": request.account,
        "qos": request.qos,
        "constraint": request.constraint,
        "gres": f"gpu:{request.gpus}" if request.gpus and request.gpus != "0" else None,
        "cpus-per-task": request.cpus,
        "mem": f"{request.memory}M" if request.memory else None,
        "time": request.time,
        "signal": f"USR1@{request.signal}" if request.signal else None,
    }
    arguments = [f"--{key}={value}" for key, value in options.items() if value is not None]
    # a step that dies takes its job with it at once; the head's stdin is not the task's
    return ["srun", *arguments, "--kill-on-bad-exit=1", "--input=none", "--quiet"]


def inside(environment: Environment, gpus: str | None, folders: Sequence[Path], worker: Sequence[str]) -> list[str]:
    """`worker` (its first word is Python) as the site wants it run: after its set-up lines, in its image."""
    words = list(worker)
    if environment.image:
        binds = [f"--bind={folder}" for folder in (*map(str, folders), *environment.bind)]
        nv = ["--nv"] if gpus and gpus != "0" else []
        # the image has the dependencies; the project's own code is the checkout's
        code = f"--env=PYTHONPATH={REPO}"
        words = ["apptainer", "exec", *nv, *binds, code, str(environment.image), "python", *words[1:]]
    if environment.setup:
        # exec: no shell stands between SLURM's signals and the task; "$@": Metaflow adds the task's own words behind these
        words = ["bash", "-lc", "\n".join([*environment.setup, f'exec {shlex.join(words)} "$@"']), "task"]
    return words


def launched(request: Request, name: str, worker: Sequence[str]) -> list[str]:
    """The whole command: launcher, `srun`, worker. `-I -S`: the launcher needs nothing but the standard library."""
    return [
        *(sys.executable, "-I", "-S", str(LAUNCHER), name, str(request.resubmit)),
        *srun(request, name),
        *worker,
    ]
