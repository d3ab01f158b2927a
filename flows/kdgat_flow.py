"""Train, fuse and evaluate KD-GAT on datasets × seeds: `python flows/kdgat_flow.py run`.

Each task leaves immutable artifacts, one tracker run a training, and its records, from which `analysis.freeze` makes a
release. Heavy imports stay inside the steps, so that `--help` answers at once.
"""

from __future__ import annotations

from kdgat.site import site
from plain_errors import main, plain, ready  # (beside this file)

ready()

from metaflow import FlowSpec, Parameter, card, current, step  # noqa: E402

from code_package import travelling  # noqa: E402  (beside this file)
from training_task import forget, task_of  # noqa: E402  (beside this file)


@travelling
class KDGATFlow(FlowSpec):
    """VGAE, GAT and their fusion: teachers, distilled students, baselines, on every dataset and seed."""

    datasets = Parameter(
        "datasets", default="auto", help="names, comma-separated; auto: what is on disk, else synthetic"
    )
    seeds = Parameter("seeds", default="0,1", help="comma-separated")
    preset = Parameter("preset", default="demo", help="smoke, demo or paper")
    tracker = Parameter(
        "tracker", default=site().tracking.allowed[0], help="wandb (offline without an API key), mlflow or none"
    )
    data = Parameter("data", default="", help="folder of captures; default $KDGAT_DATA, else data/raw")

    bad_rows = Parameter("bad-rows", default="raise", help="unreadable rows: raise, or quarantine (set aside, counted)")

    false_alarms = Parameter(
        "false-alarm-rate",
        default=0.0,
        help="share of benign windows that may raise an alarm; 0: thresholds by the preset's rule",
    )

    @step
    @plain
    def start(self):
        """Check every name before anything runs."""
        from kdgat import captures, tracking
        from kdgat.config import override
        from kdgat.plan import plan

        self.root, self.config, self.tasks = plan(self.datasets, self.seeds, self.preset, self.data)
        if self.false_alarms:
            self.config = override(self.config, {"false_alarm_rate": self.false_alarms})
        tracking.check(self.tracker)
        captures.check_bad_rows(self.bad_rows)
        # `resume` keeps this task, and with it the name under which trainings leave what they go on from
        self.lineage = f"{current.flow_name}/{current.run_id}"
        self.next(self.prepare, foreach="tasks")

    @step
    @plain
    def prepare(self):
        """Graph stores of one dataset and seed."""
        from kdgat.dataset import prepare
        from kdgat.stages import check_false_alarm_rate

        self.dataset, self.data_kind, self.seed = self.input
        self.prepared = prepare(self.dataset, self.root, self.config, self.seed, self.bad_rows)
        check_false_alarm_rate(self.config, self.prepared)
        self.next(self.vgae)

    @card(type="blank", id="training")
    @step
    @plain
    def vgae(self):
        """Autoencoders, on benign windows."""
        from cards import training_card
        from kdgat.stages import train_vgae

        stage = train_vgae(self.task(), self.prepared)
        self.checkpoints, self.difficulty = stage.checkpoints, stage.extra["difficulty"]
        self.records = stage.records()
        training_card(current.card, self.records, stage.validation)
        self.next(self.gat)

    @card(type="blank", id="training")
    @step
    @plain
    def gat(self):
        """Classifiers; the student is distilled."""
        from cards import training_card
        from kdgat.stages import train_gat

        stage = train_gat(self.task(), self.prepared, self.difficulty)
        self.checkpoints = self.checkpoints | stage.checkpoints
        self.records = stage.records()
        training_card(current.card, self.records, stage.validation)
        self.next(self.fusion)

    @card(type="blank", id="training")
    @step
    @plain
    def fusion(self):
        """Fusion methods, and the baselines on the same windows."""
        from cards import training_card
        from kdgat.stages import train_baselines, train_fusion

        stage = train_fusion(self.task(), self.prepared, self.checkpoints)
        baselines = train_baselines(self.task(), self.prepared)
        self.fusions, self.baselines = stage.extra, baselines.extra["baselines"]
        self.checkpoints = self.checkpoints | stage.checkpoints
        for name, parts in baselines.tables.items():
            stage.tables.setdefault(name, []).extend(parts)
        self.records = stage.records()
        training_card(current.card, self.records, [*stage.validation, *baselines.validation])
        self.next(self.evaluate)

    @card(type="blank", id="evaluation")
    @step
    @plain
    def evaluate(self):
        """The only step that reads test captures."""
        from cards import evaluation_card
        from kdgat.evaluate import Models, evaluate
        from kdgat.export import weights

        task = self.task()
        models = Models(self.checkpoints, self.fusions, self.baselines, self.trained())
        details = self.seed == self.tasks[0][2]
        stage = evaluate(task, self.prepared, models, self.root, details=details, on_bad_rows=self.bad_rows)
        self.scored, self.metrics = stage.extra["scored"], stage.extra["metrics"]
        self.weights = weights(task.dataset, task.seed, self.checkpoints, self.prepared)
        self.records = stage.records()
        evaluation_card(current.card, self.records)
        self.next(self.join)

    @card(type="blank", id="leaderboard")
    @step
    @plain
    def join(self, inputs):
        """Means over seeds and their intervals."""
        from cards import leaderboard_card
        from kdgat.plan import summarise

        config, self.lineage = inputs[0].config, inputs[0].lineage
        self.records = summarise([(i.scored, i.metrics) for i in inputs], config.bootstrap_draws)
        leaderboard_card(current.card, self.records)
        self.next(self.end)

    @step
    @plain
    def end(self):
        """Say where to go on; what trainings would have resumed from is no longer needed."""
        forget(self)
        print(f"run {current.run_id} is complete: python -m analysis.freeze --run {current.run_id} --release NAME")

    def task(self):
        """Names of the current task, which `trained` remembers."""
        task = task_of(self)
        self.paths = getattr(self, "paths", {}) | {current.step_name: task.path}
        return task

    def trained(self):
        """Model → run that trained it."""
        step_of = {"vgae": "vgae", "gat": "gat"}
        names = [*self.checkpoints, *self.baselines]
        return {name: f"{self.paths[step_of.get(name.split('-')[0], 'fusion')]}/{name}" for name in names}


if __name__ == "__main__":
    main(KDGATFlow)
