"""Search for a configuration of the student with Optuna: TPE proposes, successive halving (ASHA) stops what lags behind.

A study is one file in the work folder, a journal to which any number of workers on any number of nodes append (its lock is
a file that is created exclusively, which NFS does atomically). The best trial becomes a preset:

    kdgat search preset STUDY NAME      # then: python flows/kdgat_flow.py run --preset NAME
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdgat import atomic, provenance
from kdgat.config import Config, override
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.presets import PRESET_FOLDER, PRESETS, preset, settings_lines
from kdgat.runtime import configure, work_folder

if TYPE_CHECKING:
    import optuna

    from kdgat.dataset.prepare import Prepared

#: dotted path in the configuration → (kind, arguments of Optuna's suggestion)
SPACE: dict[str, tuple[str, dict[str, Any]]] = {
    "training.learning_rate": ("float", {"low": 3e-4, "high": 1e-2, "log": True}),
    "training.weight_decay": ("float", {"low": 1e-6, "high": 1e-2, "log": True}),
    "training.batch_size": ("categorical", {"choices": [64, 128, 256]}),
    "gat_student.hidden": ("categorical", {"choices": [8, 16, 32]}),
    "gat_student.layers": ("int", {"low": 1, "high": 3}),
    "gat_student.dropout": ("float", {"low": 0.0, "high": 0.4}),
}

#: states of a trial that came to an end
OVER = ("COMPLETE", "PRUNED")


def path(study: str) -> Path:
    """The journal of a study."""
    if not study.replace("-", "").replace("_", "").isalnum():
        raise KdgatError(f"a study's name is letters, digits, - and _; got {study!r}")
    return work_folder() / "studies" / f"{study}.journal"


def open_study(study: str, seed: int = 0) -> optuna.Study:
    """The study of this name, begun if there is none. `seed`: of this worker's proposals."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = path(study)
    file.parent.mkdir(exist_ok=True)
    storage = optuna.storages.JournalStorage(
        # the lock of a worker that was killed is taken over after half a minute
        JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file), grace_period=30))
    )
    return optuna.create_study(
        study_name=study,
        storage=storage,
        # trials that others are running count as poor ones, so that workers side by side do not propose the same
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=8),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        load_if_exists=True,
    )


def existing(study: str) -> optuna.Study:
    """The study of this name.

    Raises:
        KdgatError: there is none.
    """
    if not path(study).is_file():
        known = sorted(p.stem for p in path(study).parent.glob("*.journal"))
        raise KdgatError(f"no study is called {study!r}; known: {', '.join(known) or 'none'}")
    return open_study(study)


def over(study: optuna.Study) -> int:
    """How many trials have come to an end, completed or pruned."""
    return sum(t.state.name in OVER for t in study.trials)


def suggested(trial: optuna.Trial, config: Config) -> Config:
    """`config` with what the trial proposes."""
    settings = {name: getattr(trial, f"suggest_{kind}")(name, **args) for name, (kind, args) in SPACE.items()}
    return override(config, settings)


def run_trial(
    study: optuna.Study, lineage: str, slot: int, config: Config, prepared: Prepared, seed: int
) -> dict[str, Any]:
    """One trial: train a student without a teacher, report its validation loss each epoch, be stopped if it lags behind.

    A task that was killed and is run again goes on with the trial it had begun, from its last epoch; a trial that had ended
    is not trained again.

    Args:
        study: of this worker.
        lineage: of the flow run and of those that resume it.
        slot: the place of this trial in it.
        config: under the proposal.
        prepared: training data.
        seed: of the training.

    Returns:
        Number, state, value and parameters of the trial.
    """
    import optuna

    from kdgat.experiment.task import training_folder

    place = {"slot": f"{lineage}/{slot}", "made_by": f"{config.hash()[:12]}-{provenance.code_hash()[:12]}"}
    trial = None
    for earlier in study.trials:
        if earlier.user_attrs.get("slot") != place["slot"]:
            continue
        if earlier.state.name in OVER:
            return record(earlier)
        if earlier.state == optuna.trial.TrialState.RUNNING:
            if earlier.user_attrs.get("made_by") == place["made_by"]:
                trial = optuna.trial.Trial(study, earlier._trial_id)
            else:
                study.tell(earlier.number, state=optuna.trial.TrialState.FAIL)
    if trial is None:
        trial = study.ask()
        for name, said in place.items():
            trial.set_user_attr(name, said)
    state = training_folder(lineage) / f"trial-{trial.number}-{place['made_by']}.safetensors"
    try:
        value = _validation_loss(trial, suggested(trial, config), prepared, seed, state)
        study.tell(trial, value)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except Exception:  # but not an end before the time limit, after which another job goes on
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    state.unlink(missing_ok=True)
    return record(study.trials[trial.number])


def record(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Number, state, value and parameters of a trial."""
    return {"number": trial.number, "state": trial.state.name, "value": trial.value, "params": trial.params}


def _validation_loss(trial: optuna.Trial, config: Config, prepared: Prepared, seed: int, state: Path) -> float:
    from kdgat.experiment.train import fit_gat
    from kdgat.training.session import Session, last

    plain = override(config, {"training.curriculum": "none"})  # there is no VGAE to order the windows
    session = Session(f"trial {trial.number}", _reporter(trial, config.training.epochs), state)
    _, history, _ = fit_gat(plain, prepared, config.gat_student, seed, session)
    loss = last(history, "validation_loss")
    assert loss is not None  # every epoch is validated
    return loss


def _reporter(trial: optuna.Trial, epochs: int) -> Any:
    """A Lightning logger that tells the trial its validation losses, and raises `TrialPruned` when it lags behind."""
    import optuna
    from lightning.pytorch.loggers.logger import DummyLogger

    class Reporter(DummyLogger):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            if "validation_loss" in metrics:
                epoch = int(metrics["epoch"]) + 1
                trial.report(metrics["validation_loss"], epoch)
                if epoch < epochs and trial.should_prune():
                    raise optuna.TrialPruned

    return Reporter()


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of the loss's variance that each parameter explains (fANOVA); empty while too few trials completed."""
    import optuna

    if sum(t.state.name == "COMPLETE" for t in study.trials) < 4:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {k: float(v) for k, v in optuna.importance.get_param_importances(study, evaluator=evaluator).items()}


def history(study: optuna.Study) -> list[dict[str, Any]]:
    """Trials that came to an end: number, state, last reported loss, best completed so far (None before there is one)."""
    rows: list[dict[str, Any]] = []
    best: float | None = None
    for t in study.trials:
        if t.state.name not in OVER:
            continue
        value = t.value if t.value is not None else t.intermediate_values[max(t.intermediate_values)]
        if t.state.name == "COMPLETE":
            best = value if best is None else min(best, value)
        rows.append({"trial": t.number, "state": t.state.name, "loss": value, "best": best})
    return rows


def write_preset(study: str, name: str, base: str) -> Path:
    """Turn the best trial of a study into a preset; returns its file.

    Raises:
        KdgatError: no such study, no completed trial, a name that is taken.
    """
    optuna_study = existing(study)
    if not any(t.state.name == "COMPLETE" for t in optuna_study.trials):
        raise KdgatError(f"study {study}: no trial was completed yet")
    file = PRESET_FOLDER / f"{name}.toml"
    if not name.isidentifier():
        raise KdgatError(f"a preset's name is letters, digits and _; got {name!r}")
    if name in PRESETS or file.exists():
        raise KdgatError(f"a preset {name!r} exists already")
    best = optuna_study.best_trial
    config = override(preset(base), {**best.params, "preset": name})
    lines = [
        f"# Trial {best.number} of the study {study}, validation loss {best.value:.6g}, by `kdgat search preset`.",
        f'base = "{base}"',
        f'config_hash = "{config.hash()}"',
        "",
        *settings_lines(best.params),
    ]
    atomic.write_text(file, "\n".join(lines) + "\n")
    return file


def show(study: str, *, as_json: bool = False) -> int:
    """Print trials of a study and the importance of each parameter; return the exit code 0."""
    configure()
    trials = existing(study)
    rows, shares = history(trials), importances(trials)
    if as_json:
        print(json.dumps({"trials": rows, "importances": shares}, indent=1))
        return 0
    for row in rows:
        print(f"trial {row['trial']:>3}  {row['state']:<8}  loss {row['loss']:.5f}")
    for name, share in shares.items():
        print(f"{name}: importance {share:.2f}")
    return 0


def make_preset(study: str, name: str, base: str) -> int:
    """Make the best trial of a study the preset `name` and print its file; return the exit code 0."""
    configure()
    print(os.path.relpath(write_preset(study, name, base)))
    return 0


if __name__ == "__main__":
    start("search")
