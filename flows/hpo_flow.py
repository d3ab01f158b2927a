"""Search for the student's configuration: `python flows/hpo_flow.py run --study NAME --trials 20`, also `--with srun`.

A trial is a task. The study outlives the flow: run it again with more trials, or `resume` it, and it goes on.
`kdgat search preset NAME PRESET` makes the best trial a preset.
"""

from __future__ import annotations

from support.steps import main, plain, ready

ready()

from metaflow import FlowSpec, Parameter, card, current, step  # noqa: E402

from support.code_package import travelling  # noqa: E402
from support.training_task import forget  # noqa: E402


@travelling
class HPOFlow(FlowSpec):
    """TPE and successive halving over the student's settings, on one dataset's training captures."""

    study = Parameter("study", default="student", help="name; an existing study goes on")
    trials = Parameter("trials", default=20, help="in all, those of earlier runs included")
    dataset = Parameter("dataset", default="", help="name; default: hcrl-sa where it is on disk, else synthetic")
    seed = Parameter("seed", default=0)
    preset = Parameter("preset", default="demo", help="configuration under the proposals")
    data = Parameter("data", default="", help="folders of captures, a:b; default $KDGAT_DATA, else data/raw")

    @step
    @plain
    def start(self):
        """Check every name, and how many trials are left to do."""
        from kdgat import search
        from kdgat.errors import KdgatError
        from kdgat.experiment.plan import plan

        self.root, self.config, tasks = plan(self.dataset, str(self.seed), self.preset, self.data)
        self.source = tasks[0][0]
        # `resume` keeps this task, and with it the names of the trials' places
        self.lineage = f"{current.flow_name}/{current.run_id}"
        done = search.over(search.open_study(self.study))
        if done >= self.trials:
            raise KdgatError(f"study {self.study} has {done} trials already: ask for more than {self.trials}")
        self.slots = list(range(done, self.trials))
        self.next(self.prepare)

    @step
    @plain
    def prepare(self):
        """Graph stores of the dataset."""
        from kdgat.dataset.prepare import prepare

        self.prepared = prepare(self.source, self.root, self.config, self.seed)
        self.next(self.trial, foreach="slots")

    @step
    @plain
    def trial(self):
        """One proposal, trained until it is done or lags behind."""
        from kdgat import search

        study = search.open_study(self.study, seed=1000 * self.seed + self.input)
        self.done = search.run_trial(study, self.lineage, self.input, self.config, self.prepared, self.seed)
        print(f"trial {self.done['number']}: {self.done['state']}", flush=True)
        self.next(self.join)

    @card(type="still", id="search")
    @step
    @plain
    def join(self, inputs):
        """The best trial, and how the search went."""
        from kdgat import search
        from support.cards import search_card

        self.lineage = inputs[0].lineage
        study = search.open_study(self.study)
        self.best = {"number": study.best_trial.number, "value": study.best_value, "params": study.best_params}
        self.history, self.importances = search.history(study), search.importances(study)
        search_card(current.card, self.best, self.history, self.importances)
        self.next(self.end)

    @step
    @plain
    def end(self):
        """Say where to go on; what trials would have resumed from is no longer needed."""
        forget(self)
        print(f"best: trial {self.best['number']}, validation loss {self.best['value']:.5f}")
        print(f"kdgat search preset {self.study} NAME --base {self.preset}")


if __name__ == "__main__":
    main(HPOFlow)
