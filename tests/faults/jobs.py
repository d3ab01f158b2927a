"""What is killed: `python -m tests.faults.jobs build|train|flow|render FOLDER`. Prints `ready` when the work begins."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from kdgat.paths import REPO

#: so that a training has epochs to go on from, and a kill meets one
EPOCHS = 3


def build(folder: Path) -> None:
    """Graph stores of the synthetic dataset."""
    from kdgat.dataset.prepare import prepare
    from tests.kdgat.small import CONFIG

    os.environ["KDGAT_WORK"] = str(folder)
    prepare("synthetic", None, CONFIG, 0)


def train(folder: Path) -> None:
    """Autoencoders and classifiers on stores that lie in `<folder>/work`; their weights' hashes in `weights.txt`."""
    from kdgat import atomic
    from kdgat.config import Training
    from kdgat.dataset.prepare import prepare
    from kdgat.experiment.task import Task
    from kdgat.experiment.train import train_gat, train_vgae
    from tests.kdgat.small import CONFIG

    os.environ["KDGAT_WORK"] = str(folder / "work")
    config = CONFIG.model_copy(update={"training": Training(epochs=EPOCHS, batch_size=64)})
    prepared = prepare("synthetic", None, CONFIG, 0)
    print("ready", flush=True)
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, config, lineage="Flow/1")
    vgae = train_vgae(task, prepared)
    gat = train_gat(task, prepared, vgae.difficulty)
    lines = [
        f"{hashlib.sha256(checkpoint.weights).hexdigest()}  {name}\n"
        for name, checkpoint in sorted((vgae.checkpoints | gat.checkpoints).items())
    ]
    atomic.write_text(folder / "weights.txt", "".join(lines))


def flow(folder: Path) -> None:
    """The whole flow on the synthetic dataset; after a kill `resume`, as the README says. What came out in `result.txt`.

    A run that was killed before its parameters were kept has nothing that could be resumed: the flow begins anew.
    """
    os.environ |= {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder), "KDGAT_WORK": str(folder / "work")}
    store = folder / ".metaflow" / "KDGATFlow"
    begun = any(store.glob("*/_parameters/*/*.DONE.lock"))
    options = ["run", "--datasets", "synthetic", "--seeds", "0", "--preset", "smoke", "--tracker", "none"]
    print("ready", flush=True)
    subprocess.run(
        [sys.executable, "tests/faults/small_flow.py", *(["resume"] if begun else options)], cwd=REPO, check=True
    )
    _flow_result(folder / "result.txt", store)


def _flow_result(target: Path, store: Path) -> None:
    """Hashes of weights, scores and means; trainings that a killed run had finished and that were done again."""
    from analysis.releases import runs
    from kdgat import atomic

    parts, weights = runs.read(runs.select(None, latest=True))
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(weights.items())]
    for name in ("predictions", "summary"):
        rows = sorted(repr(row) for part in parts if name in part for row in part[name].to_pylist())
        lines.append(f"{hashlib.sha256(chr(10).join(rows).encode()).hexdigest()}  {len(rows)} rows of {name}")
    tasks = {tuple(r["run"].split("/")[1:3]) for part in parts if "runs" in part for r in part["runs"].to_pylist()}
    lines += [f"trained again: {step}" for run, step in sorted(tasks) if _first(store, step) != run]
    atomic.write_text(target, "\n".join(lines) + "\n")


def _first(store: Path, step: str) -> str:
    """The run that was the first to finish a step (of one task)."""
    return min(path.parents[2].name for path in store.glob(f"*/{step}/*/*.DONE.lock"))


def render(folder: Path) -> None:
    """A copy of the sources in `<folder>/project`, from the release in `<folder>/frozen`."""
    from tests import rendering

    print("ready", flush=True)
    done = rendering.render(folder / "project", frozen=folder / "frozen")
    sys.exit(done.stderr[-2000:] if done.returncode else 0)


def main() -> None:
    """Import first, so that a kill meets the work and not the imports."""
    job, folder = sys.argv[1], Path(sys.argv[2])
    if job == "build":
        import tests.kdgat.small  # noqa: F401

        print("ready", flush=True)
    {"build": build, "train": train, "flow": flow, "render": render}[job](folder)


if __name__ == "__main__":
    main()
