"""Who advances chains of stages: the operator, forty lines, or Argo. Each is a process."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from benchmarks.operator.argo import WORKFLOWS, a_workflow
from benchmarks.operator.argo_controller import AS_INSTALLED, TUNED, argo_at_work
from benchmarks.operator.chains import Unit
from benchmarks.operator.floor import JOBS, PLACEHOLDER, WATCHING
from benchmarks.operator.scene import wait_until
from steerlm_operator.api.loading import load_run
from steerlm_operator.cli.render import rendered
from steerlm_operator.render.settings import StagePodSettings
from tests.cluster.cluster import PATHS, ROOT, Cluster
from tests.cluster.control_plane import ADMIN
from tests.cluster.processes import end, start
from tests.cluster.runs import a_stand_in_run

_RUNS: Final = "/apis/steerlm.dev/v1alpha1/namespaces/default/steerlmruns"
Json = dict[str, Any]  # Any: JSON


class Contender(StrEnum):
    """Who advances the chains."""

    OPERATOR = "operator"
    FLOOR_ON_PODS = "floor on pods"
    FLOOR_ON_JOBS = "floor on Jobs"
    ARGO = "argo"
    ARGO_TUNED = "argo tuned"

    @property
    def unit(self) -> Unit:
        """What it creates for a stage."""
        return Unit.POD if self in ARGOS else Unit.JOB


ARGOS: Final = frozenset({Contender.ARGO, Contender.ARGO_TUNED})


@contextmanager
def at_work(contender: Contender, cluster: Cluster) -> Iterator[subprocess.Popen[bytes]]:
    """Run a contender; it sees what happens from here on."""
    if contender is Contender.OPERATOR:
        yield start_operator(cluster)
        cluster.stop_operator()
        return
    if contender in ARGOS:
        with argo_at_work(cluster, AS_INSTALLED if contender is Contender.ARGO else TUNED) as argo:
            yield argo
        return
    jobs = cluster.root / "jobs.json"
    jobs.write_text(json.dumps(jobs_of_a_chain(cluster)), encoding="utf-8")
    log = cluster.root / "floor.log"
    floor = start(
        [
            *(sys.executable, "-m", "benchmarks.operator.floor", "--jobs", str(jobs)),
            *("--kubeconfig", str(cluster.control_plane.kubeconfig(ADMIN))),
            *("--on", "pods" if contender is Contender.FLOOR_ON_PODS else "jobs"),
        ],
        log,
        environment=PATHS,
        at=ROOT,
    )
    wait_until(lambda: WATCHING in log.read_text(encoding="utf-8"), 1, what="the floor")
    yield floor
    end(floor)


def start_operator(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start the operator, as installed by default, and wait until it is ready."""
    process = cluster.start_operator()
    url = f"http://127.0.0.1:{cluster.health_port}/readyz"
    wait_until(lambda: _answers(url), 1, what="the operator")
    return process


def beginning(contender: Contender, cluster: Cluster, chain: str) -> tuple[str, str]:
    """Return what begins a chain: where to post it, and as what."""
    if contender is Contender.OPERATOR:
        return _RUNS, json.dumps(_a_run(cluster, chain))
    if contender in ARGOS:
        return WORKFLOWS, json.dumps(a_workflow(chain))
    return JOBS, json.dumps(jobs_of_a_chain(cluster)[0]).replace(PLACEHOLDER, chain)


def jobs_of_a_chain(cluster: Cluster) -> list[Json]:
    """Return the Jobs of a run as the operator would create them, but owned by nobody.

    So API server, scheduler and kubelet have the same work with them, whoever creates them.
    """
    run = load_run(json.dumps(_a_run(cluster, PLACEHOLDER)), file_name="")
    site = StagePodSettings.model_validate(cluster.stage_pods())
    jobs = [body for body in rendered(run, site) if body["kind"] == "Job"]
    for job in jobs:
        del job["metadata"]["ownerReferences"]
    return jobs


def _a_run(cluster: Cluster, name: str) -> Json:
    return a_stand_in_run(cluster.root / "results", name=name, STAND_IN_STEP_SECONDS="0")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
