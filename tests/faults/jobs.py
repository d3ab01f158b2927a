"""What is killed: `python -m tests.faults.jobs build|train FOLDER`. Prints `ready` when the work begins, ends with 0."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

#: so that a training has epochs to go on from, and a kill meets one
EPOCHS = 3


def build(folder: Path) -> None:
    """Graph stores of the synthetic dataset."""
    from kdgat.dataset import prepare
    from tests.kdgat.small import CONFIG

    os.environ["KDGAT_WORK"] = str(folder)
    prepare("synthetic", None, CONFIG, 0)


def train(folder: Path) -> None:
    """Autoencoders and classifiers on stores that lie in `<folder>/work`; their weights' hashes in `weights.txt`."""
    from kdgat import atomic
    from kdgat.config import Training
    from kdgat.dataset import prepare
    from kdgat.recording import Task
    from kdgat.stages import train_gat, train_vgae
    from tests.kdgat.small import CONFIG

    os.environ["KDGAT_WORK"] = str(folder / "work")
    config = CONFIG.model_copy(update={"training": Training(epochs=EPOCHS, batch_size=64)})
    prepared = prepare("synthetic", None, CONFIG, 0)
    print("ready", flush=True)
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, config, lineage="Flow/1")
    vgae = train_vgae(task, prepared)
    gat = train_gat(task, prepared, vgae.extra["difficulty"])
    lines = [
        f"{hashlib.sha256(checkpoint.weights).hexdigest()}  {name}\n"
        for name, checkpoint in sorted((vgae.checkpoints | gat.checkpoints).items())
    ]
    atomic.write_text(folder / "weights.txt", "".join(lines))


def main() -> None:
    """Import first, so that a kill meets the work and not the imports."""
    job, folder = sys.argv[1], Path(sys.argv[2])
    if job == "build":
        import tests.kdgat.small  # noqa: F401

        print("ready", flush=True)
    {"build": build, "train": train}[job](folder)


if __name__ == "__main__":
    main()
