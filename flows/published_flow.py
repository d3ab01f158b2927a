"""Train and evaluate the published recipe: `python flows/published_flow.py run`.

The most expensive model of all, and none that others depend on: a flow of its own, to be added to a release that has the rest
(`kdgat freeze --run PublishedFlow/ID --extend RELEASE --release NAME`).
"""

from __future__ import annotations

from kdgat import collector
from kdgat.settings import settings
from support.steps import main, plain, ready

ready()

from metaflow import Parameter, current, step  # noqa: E402

from support.code_package import travelling  # noqa: E402
from support.parameters import OverDatasets  # noqa: E402
from support.training_task import forget, task_of  # noqa: E402


@travelling
class PublishedFlow(OverDatasets):
    """VGAE, teacher and student as KD-GAT was published, each trained until it no longer improves."""

    seeds = Parameter("seeds", default="0,1,2", help="comma-separated")
    preset = Parameter("preset", default="paper", help="smoke, demo or paper: windows, protocols and bootstrap")
    tracker = Parameter(
        "tracker", default=settings().tracking.allowed[0], help="wandb (offline without an API key), mlflow or none"
    )
    bad_rows = Parameter("bad-rows", default="raise", help="unreadable rows: raise, or quarantine (set aside, counted)")

    @step
    @plain
    def start(self):
        """Check every name before anything runs."""
        from kdgat import captures
        from kdgat.config import override
        from kdgat.experiment.plan import plan
        from kdgat.experiment.published import SETTINGS
        from kdgat.tracking import trackers

        self.root, config, self.tasks = plan(self.datasets, self.seeds, self.preset, self.data, self.configuration)
        self.config = override(config, SETTINGS)
        trackers.check(self.tracker)
        captures.check_bad_rows(self.bad_rows)
        self.lineage = f"{current.flow_name}/{current.run_id}"
        self.next(self.train, foreach="tasks")

    @step
    @plain
    def train(self):
        """Autoencoder, teacher and student of one dataset and seed."""
        with collector.paused():
            from kdgat.experiment.published import train_published

        self.dataset, self.data_kind, self.seed = self.input
        stage = train_published(task_of(self), self.root, self.bad_rows)
        self.checkpoints, self.runs, self.records = stage.checkpoints, stage.runs, stage.records()
        self.next(self.evaluate)

    @step
    @plain
    def evaluate(self):
        """The only step that reads test captures."""
        with collector.paused():
            from kdgat.dataset.prepare import prepare
            from kdgat.experiment.evaluate import evaluate
            from kdgat.experiment.scoring import Models

        prepared = prepare(self.dataset, self.root, self.config, self.seed, self.bad_rows)
        models = Models(self.checkpoints, {}, {}, self.runs)
        stage = evaluate(task_of(self), prepared, models, self.root, details=False, on_bad_rows=self.bad_rows)
        self.scored, self.metrics, self.records = stage.scored, stage.metrics, stage.records()
        self.next(self.join)

    @step
    @plain
    def join(self, inputs):
        """Means over seeds and their intervals."""
        from kdgat.experiment.join import summarise

        self.lineage = inputs[0].lineage
        self.records = summarise([(i.scored, i.metrics) for i in inputs], inputs[0].config)
        self.next(self.end)

    @step
    @plain
    def end(self):
        """Say where to go on; what trainings would have resumed from is no longer needed."""
        forget(self)
        print(f"run {current.run_id} is complete: freeze it with --run {current.flow_name}/{current.run_id}")


if __name__ == "__main__":
    main(PublishedFlow)
