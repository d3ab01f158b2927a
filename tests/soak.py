"""What `make soak` found, and docs/soak.md of it.

Each part notes itself in the work folder as it ends, so that hours can be spent in pieces (other seeds, other days).
`python -m tests.soak guided`, `… tests` and `… flow` run the fuzzing by coverage, the long tests and the wide flow;
`… write` writes the file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdgat import atomic, provenance
from kdgat.paths import REPO
from kdgat.runtime import work_folder

FILE = REPO / "docs" / "soak.md"
#: what a whole soak is
KILLS, CASES = 200, 1_000_000
#: part → heading, and how many of what are asked for
PARTS = {
    "kills": (f"Killed with -9 and run again: {KILLS} kills asked for", "kills"),
    "fuzz": (f"Damaged inputs: {CASES:,} cases asked for", "cases"),
    "guided": ("Damaged inputs that coverage guides (atheris)", "runs"),
    "mutation": ("A release changed in a cell, row, byte, file or commit: 1,000 changes asked for", "changes"),
    "tests": ("Tests that are too long for every change", "passed"),
    "flow": ("A wide flow, every task a SLURM job of one node", "tasks"),
}


def notes() -> Path:
    """Where parts note themselves, one JSON line each."""
    return work_folder() / "soak.jsonl"


def note(part: str, what: str, done: int, problems: int, seconds: float, file: Path) -> None:
    """One piece of a part has ended: `done` kills, cases or tests, and `problems` that they showed."""
    line = {
        "part": part,
        "what": what,
        "done": done,
        "problems": problems,
        "seconds": round(seconds),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": provenance.commit()[:9] + ("+" if provenance.dirty() else ""),
    }
    with open(file, "a") as out:
        out.write(json.dumps(line) + "\n")


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def table(part: str, lines: Sequence[dict[str, Any]]) -> str:
    """The pieces of one part as Markdown, one row per thing that was tried."""
    heading, unit = PARTS[part]
    text = f"## {heading}\n\n"
    if not lines:
        return text + "Not run.\n"
    text += (
        f"| what | {unit} | problems | seconds | pieces | day | commit |\n| :-- | --: | --: | --: | --: | :-- | :-- |\n"
    )
    for what in dict.fromkeys(line["what"] for line in lines):
        of = [line for line in lines if line["what"] == what]
        done, problems, seconds = (sum(line[key] for line in of) for key in ("done", "problems", "seconds"))
        days, commits = (_joined(line[key] for line in of) for key in ("date", "commit"))
        text += f"| {what} | {done:,} | {problems} | {seconds:,} | {len(of)} | {days} | {commits} |\n"
    done, problems = (sum(line[key] for line in lines) for key in ("done", "problems"))
    return text + f"| **all** | **{done:,}** | **{problems}** | | | | |\n"


def document(lines: Sequence[dict[str, Any]]) -> str:
    """docs/soak.md."""
    head = "# Soak\n\nWritten by `python -m tests.soak write` from what the parts of `make soak` noted as they ended. A `+` "
    head += "behind a commit: the checkout held changes besides. Seconds are the clock's, beside whatever else ran. "
    head += (
        "What was found is mended, and the inputs that showed it are tried by the suite (`tests/fuzz/corpus/found`).\n"
    )
    return "\n".join([head, *(table(part, [x for x in lines if x["part"] == part]) for part in PARTS)])


def tests(arguments: Sequence[str]) -> int:
    """The long tests, one row per file."""
    file, begin = notes(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *(arguments or ["tests"])]
        code = subprocess.run(command, cwd=REPO, env=os.environ | {"KDGAT_SOAK": "1"}).returncode
        cases = list(ElementTree.parse(report).iter("testcase"))
    cases_run = [c for c in cases if c.find("skipped") is None]
    bad = [c for c in cases_run if c.find("failure") is not None or c.find("error") is not None]
    what = " ".join(arguments) or "all"
    note("tests", f"`pytest {what}`", len(cases_run) - len(bad), len(bad), time.monotonic() - begin, file)
    return code


def guided(runs: int, borders: Sequence[str]) -> int:
    """`tests.fuzz.guided` on each border, or on those that are named; a process each, since libFuzzer ends its own."""
    from tests.fuzz.targets import NAMES

    file, worst = notes(), 0
    for name in borders or NAMES:
        begin = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz.guided", name, "--runs", str(runs)]
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
        tried = re.findall(r"^#(\d+)\s.* cov: (\d+) ", done.stderr, re.MULTILINE)
        if not tried:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        print(f"{name}: {tried[-1][0]} runs, coverage {tried[0][1]} to {tried[-1][1]}", flush=True)
        note("guided", name, int(tried[-1][0]), int(done.returncode != 0), time.monotonic() - begin, file)
        worst = max(worst, done.returncode)
    return worst


def flow() -> int:
    """`benchmarks.slurm`, whose flow is wide."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.slurm"], cwd=REPO, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    wide = re.search(r"flow of (\d+) tasks, (\d+ at once): (\d+) s", done.stdout)
    if not wide:
        return 1
    note("flow", wide[2], int(wide[1]), 0, float(wide[3]), notes())
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("do", choices=("guided", "tests", "flow", "write"))
    parser.add_argument("--runs", type=int, default=20_000, help="of each border, guided")
    options, rest = parser.parse_known_args()
    if options.do == "tests":
        return tests(rest)
    if options.do == "guided":
        return guided(options.runs, rest)
    if options.do == "flow":
        return flow()
    lines = [json.loads(line) for line in notes().read_text().splitlines()] if notes().is_file() else []
    atomic.write_text(FILE, document(lines))
    print(f"{len(lines)} pieces: {FILE.relative_to(REPO)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
