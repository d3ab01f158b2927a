"""The head of a flow as a small SLURM job of its own, so that nothing long lives on a login node.

    python flows/cluster.py submit -- run --preset paper --seeds 0,1,2
    python flows/cluster.py status | logs [HEAD] [--follow] | resume [HEAD] | cancel HEAD

A head is named by its job's id; without one, the newest is meant. Everything about it is in `heads/<id>` of the work
folder. If its node fails, SLURM starts it again and it resumes its run instead of beginning another.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kdgat import atomic
from kdgat.errors import KdgatError, cli
from kdgat.paths import REPO
from kdgat.runtime import configure, work_folder
from kdgat.settings import settings

FLOW = "flows/kdgat_flow.py"
#: states of SLURM in which a job is not over
LIVE = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED"}


def slurm(*command: str, text: str | None = None) -> str:
    """Output of one of SLURM's commands.

    Raises:
        KdgatError: it is not here, or it refuses.
    """
    if shutil.which(command[0]) is None:
        raise KdgatError(f"there is no {command[0]} here: this is for a node of a SLURM cluster")
    done = subprocess.run(command, capture_output=True, text=True, input=text)
    if done.returncode:
        raise KdgatError(f"{command[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return done.stdout


def jobs() -> dict[str, tuple[str, str]]:
    """Job id → (name, state) of one's own jobs that SLURM still remembers."""
    lines = slurm("squeue", "--me", "--noheader", "--states=all", "--format=%A|%T|%j").splitlines()
    return {job: (name, state) for job, state, name in (line.split("|", 2) for line in lines)}


@dataclass(frozen=True)
class Head:
    """One submitted head."""

    folder: Path

    @property
    def id(self) -> str:
        """Job id."""
        return self.folder.name

    @property
    def command(self) -> dict[str, list[str] | str]:
        """Flow and arguments, as they were submitted."""
        return dict(json.loads((self.folder / "command.json").read_text(encoding="utf-8")))

    @property
    def run(self) -> str:
        """Metaflow's run id, empty before the run has one."""
        file = self.folder / "run-id"
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""

    def state(self, queue: dict[str, tuple[str, str]]) -> str:
        """SLURM's word while it knows the job, else what its exit code says."""
        if self.id in queue and queue[self.id][1] in LIVE:
            return queue[self.id][1]
        file = self.folder / "exit-code"
        if file.is_file():
            return (
                "COMPLETED"
                if file.read_text(encoding="utf-8").strip() == "0"
                else f"FAILED ({file.read_text(encoding='utf-8').strip()})"
            )
        return queue[self.id][1] if self.id in queue else "LOST"

    def tasks(self, queue: dict[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
        """(job id, name, state) of the jobs its run has submitted and that are not over."""
        prefix = f"/{self.run}/"
        return [(j, n, s) for j, (n, s) in queue.items() if self.run and prefix in n and s in LIVE]


def heads() -> list[Head]:
    """All heads, oldest first."""
    folders = (work_folder() / "heads").glob("[0-9]*")
    return [Head(p) for p in sorted(folders, key=lambda p: int(p.name)) if (p / "command.json").is_file()]


def head(name: str | None) -> Head:
    """The head called `name`, or the newest."""
    for h in reversed(heads()):
        if name in (None, h.id):
            return h
    raise KdgatError(
        f"no head {name or 'was submitted from here'}; known: {', '.join(h.id for h in heads()) or 'none'}"
    )


def script(flow: str, arguments: list[str], origin: str | None) -> str:
    """The batch script: begins the run, or goes on with it where the folder or `origin` names one."""
    backend = [] if any(a.startswith("--with") for a in arguments) else ["--with", "srun"]
    python = [sys.executable, str(REPO / flow)]
    common = shlex.join(["--run-id-file", "RUN_FILE", *backend]).replace("RUN_FILE", '"$folder/run-id"')
    places = [i for i, a in enumerate(arguments) if a.startswith(("--with", "--max-workers"))]
    options = [w for i in places for w in (arguments[i : i + 1] if "=" in arguments[i] else arguments[i : i + 2])]
    return "\n".join(
        [
            "#!/bin/bash",
            *settings().environment.setup,
            f"folder={shlex.quote(str(work_folder() / 'heads'))}/$SLURM_JOB_ID",
            'mkdir -p "$folder"',
            f'origin=$(cat "$folder/run-id" 2> /dev/null || echo {shlex.quote(origin or "")})',
            'if [ -n "$origin" ]; then',
            f'  {shlex.join(python)} resume --origin-run-id "$origin" {common} {shlex.join(options)}',
            "else",
            f"  {shlex.join([*python, *arguments])} {common}",
            "fi",
            "code=$?",
            'echo $code > "$folder/exit-code"',
            "exit $code",
            "",
        ]
    )


def submit(flow: str, arguments: list[str], origin: str | None = None) -> Head:
    """Submit a head; `origin`: the run that it resumes."""
    if not arguments or arguments[0] != "run":
        raise KdgatError("what the head is to do begins with `run`, e.g. submit -- run --preset smoke")
    if not (REPO / flow).is_file():
        raise KdgatError(f"no flow {flow}")
    folder, h = work_folder() / "heads", settings().head
    folder.mkdir(exist_ok=True)
    request = {
        "partition": h.partition,
        "account": h.account,
        "qos": h.qos,
        "time": h.time,
        "cpus-per-task": h.cpus,
        "mem": f"{h.memory}M" if h.memory else None,
        "job-name": f"head/{Path(flow).stem}",
        "output": folder / "%j" / "log",
    }
    options = [f"--{k}={v}" for k, v in request.items() if v is not None]
    # held until its folder is there, since SLURM opens the log before the script can make it
    job = slurm("sbatch", "--parsable", "--requeue", "--open-mode=append", "--hold", *options,
                text=script(flow, arguments, origin)).strip().split(";")[0]  # fmt: skip
    record = {"flow": flow, "arguments": arguments, "origin": origin or ""}
    (folder / job).mkdir(exist_ok=True)
    atomic.write_text(folder / job / "command.json", json.dumps(record) + "\n")
    slurm("scontrol", "release", job)
    return Head(folder / job)


def status() -> None:
    """Print one line per head, and one per task that is in the queue for it."""
    queue = jobs()
    for h in heads():
        record = h.command
        print(f"{h.id}  {h.state(queue):<12}  run {h.run or '-':<18}  {record['flow']} {' '.join(record['arguments'])}")
        for job, name, state in h.tasks(queue):
            print(f"    {job}  {state:<10}  {name.split('/', 2)[-1]}")


def logs(h: Head, follow: bool) -> None:
    """Print a head's log; `follow`: until it is over."""
    file = h.folder / "log"
    position = 0
    while True:
        over = not follow or h.state(jobs()) not in LIVE
        if file.is_file():
            with file.open(errors="replace") as log:
                log.seek(position)
                print(log.read(), end="", flush=True)
                position = log.tell()
        if over:
            return
        time.sleep(2)


def cancel(h: Head) -> None:
    """End a head and what it submitted."""
    mine = [job for job, _, _ in h.tasks(jobs())]
    slurm("scancel", "--quiet", h.id, *mine)


def resume(h: Head) -> Head:
    """A new head that goes on with the run of an old one; tasks that a lost node left behind end first."""
    queue = jobs()
    if h.state(queue) in LIVE:
        raise KdgatError(f"head {h.id} is {h.state(queue)}: nothing to resume")
    if not h.run:
        raise KdgatError(f"head {h.id} never began a run: submit it again")
    orphans = [job for job, _, _ in h.tasks(queue)]
    if orphans:
        slurm("scancel", "--quiet", *orphans)
    return submit(str(h.command["flow"]), list(h.command["arguments"]), h.run)


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python flows/cluster.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("submit", help="submit a head: submit [--flow FILE] -- run …")
    one.add_argument("--flow", default=FLOW)
    one.add_argument("arguments", nargs=argparse.REMAINDER, help="of the flow, beginning with run")
    commands.add_parser("status", help="heads, and the tasks they have in the queue")
    for name, text in (
        ("logs", "print a head's log"),
        ("resume", "go on with a head's run"),
        ("cancel", "end a head and its tasks"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("head", nargs="?" if name != "cancel" else None)
        if name == "logs":
            sub.add_argument("--follow", action="store_true")
    options = parser.parse_args()
    configure()
    if options.command == "submit":
        arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
        print(submit(options.flow, arguments).id)
    elif options.command == "status":
        status()
    elif options.command == "logs":
        logs(head(options.head), options.follow)
    elif options.command == "resume":
        print(resume(head(options.head)).id)
    else:
        cancel(head(options.head))
    return 0


if __name__ == "__main__":
    cli(main)
