"""Train, fuse and evaluate KD-GAT on datasets × seeds: `python flows/kdgat_flow.py run`.

Each task leaves immutable artifacts, one tracker run per training, and its records, from which `analysis.freeze` makes a
release. Heavy imports stay inside the steps, so that `--help` answers at once.
"""

from __future__ import annotations

from kdgat import collector
from kdgat.settings import settings
from support.steps import main, plain, ready

ready()

from metaflow import Parameter, card, current, step  # noqa: E402

from support.code_package import travelling  # noqa: E402
from support.parameters import OverDatasets  # noqa: E402
from support.training_task import forget, task_of  # noqa: E402


@travelling
class KDGATFlow(OverDatasets):
    """VGAE, GAT and their fusion: teachers, distilled students, baselines, on every dataset and seed."""

    seeds = Parameter("seeds", default="0,1", help="comma-separated")
    preset = Parameter("preset", default="demo", help="smoke, demo or paper")
    tracker = Parameter(
        "tracker", default=settings().tracking.allowed[0], help="wandb (offline without an API key), mlflow or none"
    )

    bad_rows = Parameter("bad-rows", default="raise", help="unreadable rows: raise, or quarantine (set aside, counted)")

    false_alarms = Parameter(
        "false-alarm-rate",
        default=0.0,
        help="share of benign windows that may raise an alarm; 0: thresholds by the preset's rule",
    )

    models = Parameter(
        "models",
        default="",
        help="all (as presets have it), or alone: the GAT student without a teacher, and the baselines",
    )
    student_alone = Parameter("student-alone", default=False, help="train the GAT student without a teacher too")

    @step
    @plain
    def start(self):
        """Check every name before anything runs."""
        with collector.paused():
            from kdgat import captures
            from kdgat.config import override
            from kdgat.experiment.plan import plan
            from kdgat.tracking import trackers

        self.root, self.config, self.tasks = plan(self.datasets, self.seeds, self.preset, self.data, self.configuration)
        settings = {"false_alarm_rate": self.false_alarms, "student_alone": self.student_alone}
        settings["models"] = self.models
        self.config = override(self.config, {name: value for name, value in settings.items() if value})
        trackers.check(self.tracker)
        captures.check_bad_rows(self.bad_rows)
        # `resume` keeps this task, and with it the name under which trainings leave what they go on from
        self.lineage = f"{current.flow_name}/{current.run_id}"
        self.next(self.prepare, foreach="tasks")

    @step
    @plain
    def prepare(self):
        """Graph stores of one dataset and seed."""
        with collector.paused():
            from kdgat.dataset.prepare import prepare
            from kdgat.experiment.operating_points import check_false_alarm_rate

        self.dataset, self.data_kind, self.seed = self.input
        self.prepared = prepare(self.dataset, self.root, self.config, self.seed, self.bad_rows)
        check_false_alarm_rate(self.config, self.prepared)
        self.next(self.vgae)

    @card(type="still", id="training")
    @step
    @plain
    def vgae(self):
        """Autoencoders, on benign windows."""
        with collector.paused():
            from kdgat.experiment.train import train_vgae
            from support.cards import training_card

        stage = train_vgae(task_of(self), self.prepared)
        self.checkpoints, self.difficulty, self.runs = stage.checkpoints, stage.difficulty, stage.runs
        self.records = stage.records()
        training_card(current.card, self.records, stage.validation)
        self.next(self.gat)

    @card(type="still", id="training")
    @step
    @plain
    def gat(self):
        """Classifiers; the student is distilled."""
        with collector.paused():
            from kdgat.experiment.train import train_gat
            from support.cards import training_card

        stage = train_gat(task_of(self), self.prepared, self.difficulty)
        self.checkpoints, self.runs = self.checkpoints | stage.checkpoints, self.runs | stage.runs
        self.records = stage.records()
        training_card(current.card, self.records, stage.validation)
        self.next(self.fusion)

    @card(type="still", id="training")
    @step
    @plain
    def fusion(self):
        """Fusion methods, and the baselines on the same windows."""
        with collector.paused():
            from kdgat.experiment.train import train_baselines, train_fusion
            from support.cards import training_card

        stage = train_fusion(task_of(self), self.prepared, self.checkpoints)
        baselines = train_baselines(task_of(self), self.prepared, self.checkpoints, self.root, self.bad_rows)
        self.fusions, self.baselines, self.combined = stage.methods, baselines.detectors, baselines.combined
        self.checkpoints, self.runs = self.checkpoints | stage.checkpoints, self.runs | stage.runs | baselines.runs
        self.records = stage.records(baselines)
        training_card(current.card, self.records, [*stage.validation, *baselines.validation])
        self.next(self.evaluate)

    @card(type="still", id="evaluation")
    @step
    @plain
    def evaluate(self):
        """The only step that reads test captures."""
        with collector.paused():
            from kdgat.experiment.evaluate import evaluate
            from kdgat.experiment.kept import baseline_weights
            from kdgat.experiment.scoring import Models
            from kdgat.models.export import weights
            from support.cards import evaluation_card

        task = task_of(self)
        models = Models(self.checkpoints, self.fusions, self.baselines, self.runs, self.combined)
        details = self.seed == self.tasks[0][2]
        stage = evaluate(task, self.prepared, models, self.root, details=details, on_bad_rows=self.bad_rows)
        self.scored, self.metrics = stage.scored, stage.metrics
        self.weights = weights(task.dataset, task.seed, self.checkpoints, self.prepared)
        self.weights |= baseline_weights(task.dataset, task.seed, models)
        self.records = stage.records()
        evaluation_card(current.card, self.records)
        self.next(self.join)

    @card(type="still", id="leaderboard")
    @step
    @plain
    def join(self, inputs):
        """Means over seeds and their intervals."""
        with collector.paused():
            from kdgat.experiment.join import summarise
            from support.cards import leaderboard_card

        config, self.lineage = inputs[0].config, inputs[0].lineage
        self.records = summarise([(i.scored, i.metrics) for i in inputs], config)
        leaderboard_card(current.card, self.records)
        self.next(self.end)

    @step
    @plain
    def end(self):
        """Say where to go on; what trainings would have resumed from is no longer needed."""
        forget(self)
        print(f"run {current.run_id} is complete: kdgat freeze --run {current.run_id} --release NAME")


if __name__ == "__main__":
    main(KDGATFlow)
