"""`--with srun`: each task of a flow as a SLURM job, on a filesystem that the nodes share.

Metaflow's own runtime stays in charge: it starts a task's process, reads its output and exit code, retries it, kills it.
This decorator only puts a launcher and `srun` in front of the process (`command.py`, `launch.py`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException
from metaflow.metadata_provider import MetaDatum

from kdgat.errors import KdgatError, report
from kdgat.paths import REPO
from kdgat.runtime import work_folder
from kdgat.settings import Request, settings
from kdgat.training import interrupt

from .command import inside, launched

#: decorators that run a step elsewhere; two of them on one step would each wait for the other
_BACKENDS = {"batch", "kubernetes", "slurm", "parallel"}


def _refuse(reason: str) -> MetaflowException:
    report(KdgatError(reason))
    return MetaflowException(reason)


class SrunDecorator(StepDecorator):
    """Runs this step as a SLURM job by `srun`; `@resources` and `@timeout` are passed on.

    What is not given here comes from `[srun]` of the site's settings, and what is not given there is the cluster's default.

    Parameters
    ----------
    partition, account, qos, constraint : str, optional
    gpus : str, optional
        `1`, or with a type, `a100:2`; becomes `--gres=gpu:…`.
    cpus, memory : int, optional
        Cores, and MB.
    time : str, optional
        Limit in SLURM's notation; without it, that of `@timeout` and a minute.
    signal : int, optional
        Seconds before the limit at which the step is told to save its epoch.
    resubmit : int, optional
        How often a step that saved its epoch is submitted again.
    """

    name = "srun"
    defaults = dict.fromkeys(Request.model_fields)

    def step_init(
        self, flow: Any, graph: Any, step: str, decos: Any, environment: Any, flow_datastore: Any, logger: Any
    ) -> None:
        """Refuse what cannot work, before anything is submitted."""
        others = sorted(_BACKENDS & {d.name for d in decos})
        if others:
            raise _refuse(f"step {step}: --with srun cannot be stacked on @{others[0]}: one backend per step")
        try:
            self.light = step in settings().srun.local
            self.request = self._request(step, decos)
        except KdgatError as error:
            raise _refuse(str(error)) from None
        self.step, self.flow_name = step, flow.name

    def _request(self, step: str, decos: Any) -> Request:
        from_flow: dict[str, Any] = {}
        for deco in decos:
            if deco.name == "resources":
                from_flow |= {"cpus": deco.attributes["cpu"], "memory": deco.attributes["memory"]}
                from_flow["gpus"] = deco.attributes["gpu"]
            elif deco.name == "timeout":
                # Metaflow's own alarm comes first and is the better message; SLURM's is for what it cannot reach
                from_flow["time"] = -(-deco.secs // 60) + 1
        # what is said on the command line or by the site for this very step goes before the flow's own decorators
        deliberate = {k for k, v in self.attributes.items() if v is not None} | set(settings().srun.steps.get(step, {}))
        request = self.attributes | {k: v for k, v in from_flow.items() if k not in deliberate}
        return settings().srun.request(step, **request)

    def runtime_init(self, flow: Any, graph: Any, package: Any, run_id: str) -> None:
        """At the head, before the first task."""
        self.run_id = run_id
        if not self.light and shutil.which("srun") is None:
            raise _refuse("--with srun: there is no srun here; start the flow on a node of the cluster")

    def runtime_step_cli(self, cli_args: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any) -> None:
        """Put the launcher in front of the worker's command; the fallback of `@catch` stays with the head."""
        if self.light or retry_count > max_user_code_retries:
            return
        task = f"{self.flow_name}/{self.run_id}/{self.step}/{cli_args.task.task_id}.{retry_count}"
        store, data = (os.environ.get(name, "") for name in ("METAFLOW_DATASTORE_SYSROOT_LOCAL", "KDGAT_DATA"))
        folders = [REPO, work_folder(), *(Path(p) for p in (store, *data.split(os.pathsep)) if p)]
        worker = inside(settings().environment, self.request.gpus, folders, cli_args.entrypoint)
        cli_args.entrypoint = launched(self.request, task, worker)

    def task_pre_step(
        self, step_name: str, task_datastore: Any, metadata: Any, run_id: str, task_id: str, flow: Any, graph: Any,
        retry_count: int, max_user_code_retries: int, ubf_context: Any, inputs: Any,
    ) -> None:  # fmt: skip
        """On the node: listen to the signal before the time limit, and note which job this is."""
        names = {
            "slurm-job-id": "SLURM_JOB_ID",
            "slurm-node": "SLURMD_NODENAME",
            "slurm-partition": "SLURM_JOB_PARTITION",
        }
        facts = {field: os.environ[name] for field, name in names.items() if name in os.environ}
        if self.light or not facts:
            return
        interrupt.listen()
        tags = [f"attempt_id:{retry_count}"]
        data = [MetaDatum(field=field, value=value, type=field, tags=tags) for field, value in facts.items()]
        metadata.register_metadata(run_id, step_name, task_id, data)
