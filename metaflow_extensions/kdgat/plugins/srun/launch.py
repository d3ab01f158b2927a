"""Runs one attempt of a task by `srun`, stands between it and the head, and outlives neither.

`launch.py JOB-NAME RESUBMISSIONS srun …`: signals to it end the job; if the head dies, however it dies, so does the job.
A task that saved its epoch (exit code 75), was told to before it could listen, was preempted or lost its node is
submitted again. Standard library only, and no import that costs time: it starts once a task.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

#: EX_TEMPFAIL: a step that saved its epoch and wants to go on (kdgat.training.interrupt)
SAVED = 75
#: SLURM's states after which the same task may simply be tried again
LOST = {"PREEMPTED", "NODE_FAIL", "BOOT_FAIL"}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def die_with_parent(parent: int) -> None:
    """SIGTERM for this process when `parent` ends; at once if it has ended already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def environment() -> dict[str, str]:
    """Without the variables of a job around the head, in which srun would make a step instead of a job."""
    inside = "SLURM_JOB_ID" in os.environ
    return {
        k: v for k, v in os.environ.items() if not inside or k == "SLURM_CONF" or not k.startswith(("SLURM_", "SRUN_"))
    }


def state(name: str, patience: int = 50) -> tuple[str, str]:
    """(id, final state) of the newest job of this name; empty if SLURM does not say. `patience`: how often it is asked."""
    command = ["squeue", "--noheader", "--states=all", f"--name={name}", "--sort=-i", "--format=%A %T %r"]
    job = value = ""
    for number in range(patience):
        if number:
            time.sleep(0.2)
        try:
            lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split("\n")
        except (OSError, subprocess.SubprocessError):
            break
        job, value, reason = (*lines[0].split(" ", 2), "", "", "")[:3]
        if reason == "NodeDown":
            value = "NODE_FAIL"
        if value not in ("COMPLETING", "RUNNING"):  # srun ends a moment before its job does
            break
    return job, value


class Launcher:
    """One attempt, as one job after another."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self.command = name, command
        self.child: subprocess.Popen[bytes] | None = None
        self.stopped = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self.stopped = number
        if self.child is not None:
            self.child.terminate()

    def run(self) -> int:
        """Submit and wait; the exit code, 128 + n for a signal n."""
        me = os.getpid()
        # a session of its own: Ctrl-C reaches the launcher, which passes on one SIGTERM; and srun's death follows ours
        self.child = subprocess.Popen(
            self.command, env=environment(), start_new_session=True, preexec_fn=lambda: die_with_parent(me)
        )
        if self.stopped:
            self.child.terminate()
        code = self.child.wait()
        return code if code >= 0 else 128 - code


def main() -> int:
    """Run until the task ends in a way that is not worth trying again."""
    die_with_parent(os.getppid())
    name, resubmissions, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    launcher = Launcher(name, command)
    number = 0
    while True:
        code = launcher.run()
        if launcher.stopped:
            subprocess.run(["scancel", "--quiet", f"--name={name}"], timeout=30)
            return 128 + launcher.stopped
        # srun ends with 0 also when its node fails; but what ended well is not kept waiting for SLURM's last word
        job, ended = state(name, 1 if code == 0 else 50)
        if code == 0 and ended not in LOST:
            return 0
        saved = code in (SAVED, 128 + signal.SIGUSR1)
        why = "saved before its time limit" if saved else ended
        again = number < resubmissions and (saved or ended in LOST)
        code, number = code or 1, number + 1
        text = f"submitted again ({number} of {resubmissions})" if again else f"exit code {code}"
        print(f"SLURM job {job or '?'}: {why or 'state unknown'}; {text}", file=sys.stderr, flush=True)
        if not again:
            return code
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
