"""kopf's decorators, and nothing else: every event is a nudge to look at a run.

kopf forgets an error here, so nothing here may raise; the relist guarantees progress.
"""

import asyncio
from typing import Any

import kopf

from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.client import PAGE
from steerlm_operator.cluster.process import operate
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render.names import SELECTOR

REGISTRY = kopf.OperatorRegistry()
GROUP_VERSION = ("steerlm.dev", "v1alpha1")


@kopf.on.login(registry=REGISTRY)
async def log_in(**settings: Any) -> kopf.ConnectionInfo | None:  # Any: kopf's keywords
    """Use the pod's service account, else the current kubeconfig."""
    return kopf.login_with_service_account(**settings) or kopf.login_with_kubeconfig(**settings)


@kopf.on.event(*GROUP_VERSION, "steerlmruns", registry=REGISTRY)
async def on_run(event: kopf.RawEvent, memo: Any, **_: Any) -> None:  # Any: kopf's keywords
    """See a run."""
    shell: Shell = memo.shell
    shell.saw(Resource.RUNS, dict(event["object"]), is_gone=event["type"] == "DELETED")


@kopf.on.event("batch", "v1", "jobs", registry=REGISTRY)
async def on_job(event: kopf.RawEvent, memo: Any, **_: Any) -> None:  # Any: kopf's keywords
    """See a Job of a stage."""
    shell: Shell = memo.shell
    shell.saw(Resource.JOBS, dict(event["object"]), is_gone=event["type"] == "DELETED")


@kopf.on.event("", "v1", "pods", registry=REGISTRY)
async def on_pod(event: kopf.RawEvent, memo: Any, **_: Any) -> None:  # Any: kopf's keywords
    """See a pod of a stage."""
    shell: Shell = memo.shell
    shell.saw(Resource.PODS, dict(event["object"]), is_gone=event["type"] == "DELETED")


@kopf.on.event("apps", "v1", "deployments", registry=REGISTRY)
async def on_deployment(event: kopf.RawEvent, memo: Any, **_: Any) -> None:  # Any: kopf's keywords
    """See the server of a model."""
    shell: Shell = memo.shell
    shell.saw(Resource.DEPLOYMENTS, dict(event["object"]), is_gone=event["type"] == "DELETED")


class NothingToCompare(kopf.DiffBaseStorage):
    """What kopf compares an object with, for change handlers: nothing, for we have none.

    Its own storages copy each object of each event several times: half of the operator's time.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:  # Any: kopf's keywords
        """Return what of an object matters to change handlers."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:  # Any: kopf's keywords
        """Return what was handled last."""

    def store(self, **_: Any) -> None:  # Any: kopf's keywords
        """Keep it."""


def settings() -> kopf.OperatorSettings:
    """Return how kopf is to watch: what we need, and nothing that writes or costs more."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.scanning.disabled = True
    found.watching.chunk_size = PAGE
    found.watching.label_selectors["batch", "jobs"] = SELECTOR
    found.watching.label_selectors["", "pods"] = SELECTOR
    found.watching.label_selectors["apps", "deployments"] = SELECTOR
    found.persistence.diffbase_storage = NothingToCompare()
    return found


async def watch(shell: Shell, stop: asyncio.Event) -> None:
    """Watch runs, Jobs, pods and Deployments until told to stop.

    Raises:
        Exception: Whatever ends a watch for good: the process is to end, too.
    """
    await kopf.operator(
        registry=REGISTRY,
        settings=settings(),
        clusterwide=True,
        standalone=True,
        stop_flag=stop,
        memo=kopf.Memo(shell=shell),
    )


async def run_operator() -> int:
    """Run the operator until SIGTERM; return its exit code."""
    return await operate(watch)
