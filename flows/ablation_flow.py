"""What each part of the method is worth: `python flows/ablation_flow.py run`.

Teachers are trained once a dataset and seed; every variant is a task of its own, so that `resume` repeats none.
Freeze it beside the main run: `kdgat freeze --run KDGATFlow/ID --run AblationFlow/ID --release NAME`.
"""

from __future__ import annotations

from kdgat import collector
from support.steps import main, plain, ready

ready()

from metaflow import Parameter, current, step  # noqa: E402

from support.code_package import travelling  # noqa: E402
from support.parameters import OverDatasets  # noqa: E402
from support.training_task import forget, task_of  # noqa: E402


@travelling
class AblationFlow(OverDatasets):
    """The headline model with one factor changed at a time, at equal budget."""

    seeds = Parameter("seeds", default="0,1,2", help="comma-separated")
    preset = Parameter("preset", default="paper", help="smoke, demo or paper")
    factors = Parameter("factors", default="all", help="comma-separated names of factors")
    tracker = Parameter("tracker", default="none", help="wandb (offline without an API key), mlflow or none")

    @step
    @plain
    def start(self):
        """Check every name before anything runs."""
        from kdgat.experiment.ablation import at_budget, trainings
        from kdgat.experiment.plan import plan
        from kdgat.tracking import trackers

        self.root, config, self.tasks = plan(self.datasets, self.seeds, self.preset, self.data, self.configuration)
        self.config = at_budget(config)
        self.variants = trainings(self.factors, self.config.features)
        trackers.check(self.tracker)
        self.lineage = f"{current.flow_name}/{current.run_id}"
        self.next(self.teach, foreach="tasks")

    @step
    @plain
    def teach(self):
        """The VGAE's errors and the teacher's logits of one dataset and seed."""
        with collector.paused():
            from kdgat.experiment.ablation import train_reference

        self.dataset, self.data_kind, self.seed = self.input
        self.reference = train_reference(task_of(self), self.root)
        self.next(self.variant, foreach="variants")

    @step
    @plain
    def variant(self):
        """Train and score one variant."""
        with collector.paused():
            from kdgat.experiment.ablation import run

        stage, self.outcome = run(task_of(self), self.input, self.reference, self.root)
        self.records = stage.records()
        self.next(self.collect)

    @step
    @plain
    def collect(self, inputs):
        """The outcomes of one dataset and seed."""
        self.outcomes = [i.outcome for i in inputs]
        self.config, self.lineage = inputs[0].config, inputs[0].lineage
        self.next(self.join)

    @step
    @plain
    def join(self, inputs):
        """Effects over seeds and their intervals."""
        from kdgat.experiment.ablation import summarise

        outcomes = [o for i in inputs for o in i.outcomes]
        self.records = summarise(outcomes, inputs[0].config.bootstrap_draws)
        self.lineage = inputs[0].lineage
        self.next(self.end)

    @step
    @plain
    def end(self):
        """Say where to go on; what trainings would have resumed from is no longer needed."""
        forget(self)
        print(f"run {current.run_id} is complete: freeze it with --run {current.flow_name}/{current.run_id}")


if __name__ == "__main__":
    main(AblationFlow)
