"""Suspend and resume in every state of a run: nothing runs meanwhile, nothing is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Resource
from tests.quickstart import STAGES
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, run_to_end, settle, states, status_of

NAME = "quickstart"


def crashes_once() -> Callable[[StageConfig], tuple[int, Report | None]]:
    """Return a stage program whose very first attempt ends with an exception."""
    seen: list[str] = []

    def work(config: StageConfig) -> tuple[int, Report | None]:
        seen.append(config.stage)
        return (1, None) if len(seen) == 1 else succeed(config)

    return work


def begun(work: Any = succeed, **spec: Any) -> MemoryCluster:
    """Return a cluster with a run whose first Job was created."""
    cluster = MemoryCluster(work)
    cluster.add_run(a_run(**spec))
    settle(cluster)
    return cluster


def not_seen_yet() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    return cluster


def queued() -> MemoryCluster:
    cluster = begun()
    assert states(status_of(cluster))["prepare"] == "Queued"
    return cluster


def unschedulable() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.has_nodes = False
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    settle(cluster)
    cluster.has_nodes = True
    return cluster


def running() -> MemoryCluster:
    cluster = begun()
    cluster.tick()
    settle(cluster)
    assert states(status_of(cluster))["prepare"] == "Running"
    return cluster


def in_backoff() -> MemoryCluster:
    cluster = begun(crashes_once())
    for _ in range(2):
        cluster.tick()
        settle(cluster)
    assert states(status_of(cluster))["prepare"] == "Retrying"
    return cluster


def held_by_its_queue() -> MemoryCluster:
    """Kueue has not admitted the Job: it stands there with suspend: true, which we never touch."""
    cluster = begun(queue={"localQueue": "a100"})
    (job,) = cluster.objects(Resource.JOBS)
    assert job["spec"]["suspend"] is True
    return cluster


def between_stages() -> MemoryCluster:
    """The first stage has ended, and no operator has seen it yet."""
    cluster = running()
    cluster.tick()
    return cluster


def in_the_last_stage() -> MemoryCluster:
    cluster = begun()
    for _ in range(60):
        if states(status_of(cluster))["evaluate"] == "Running":
            return cluster
        cluster.tick()
        settle(cluster)
    raise AssertionError(status_of(cluster))


@pytest.mark.parametrize(
    "a_cluster",
    [
        not_seen_yet,
        queued,
        unschedulable,
        running,
        in_backoff,
        held_by_its_queue,
        between_stages,
        in_the_last_stage,
    ],
)
def test_suspend_and_resume_leave_nothing_running_and_nothing_lost(
    a_cluster: Callable[[], MemoryCluster],
):
    cluster = a_cluster()
    failures_before = num_failures(cluster)
    done_before = done(cluster)
    cluster.change_spec(NAME, suspend=True)
    for _ in range(3):
        settle(cluster)
        cluster.tick(31)
    settle(cluster)
    assert [j for j in cluster.objects(Resource.JOBS) if not has_ended(j)] == []
    assert status_of(cluster)["phase"] == "Suspended"
    assert condition(cluster, "Suspended") == ("True", "Suspended")
    assert condition(cluster, "Progressing") == ("False", "Suspended")
    assert done(cluster) >= done_before
    before = len(cluster.writes)
    cluster.tick(3600)
    settle(cluster)
    assert len(cluster.writes) == before  # it waits for nothing and costs nothing
    cluster.change_spec(NAME, suspend=False)
    status = run_to_end(cluster)
    assert states(status) == dict.fromkeys(STAGES, "Succeeded")
    assert num_failures(cluster) == failures_before
    assert sum(stage["disruptions"] for stage in status["stages"]) == 0
    assert status["retries"] == failures_before  # the suspend itself is no retry
    assert condition(cluster, "Suspended") == ("False", "NotSuspended")


def test_what_ended_while_suspended_is_kept_and_the_next_stage_waits():
    cluster = between_stages()
    cluster.change_spec(NAME, suspend=True)
    settle(cluster)
    assert states(status_of(cluster))["prepare"] == "Succeeded"
    assert states(status_of(cluster))["train-apm"] == "Pending"
    assert len(cluster.objects(Resource.JOBS)) == 1


def test_a_failed_run_stays_failed_and_may_be_retried_after_it():
    mended: list[bool] = []
    cluster = MemoryCluster(lambda config: succeed(config) if mended else (10, None))
    cluster.add_run(a_run())
    assert run_to_end(cluster)["phase"] == "Failed"
    cluster.change_spec(NAME, suspend=True)
    settle(cluster)
    assert status_of(cluster)["phase"] == "Failed"
    mended.append(True)
    cluster.change_spec(NAME, retry={"count": 1})
    settle(cluster)
    assert status_of(cluster)["phase"] == "Suspended"
    assert len(cluster.created) == 3  # Service, NetworkPolicy, the Job that failed
    cluster.change_spec(NAME, suspend=False)
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_a_run_that_serves_has_no_server_while_it_is_suspended():
    cluster = begun(serve={"enabled": True})
    run_to_end(cluster)
    serve(cluster)
    assert condition(cluster, "Serving")[0] == "True"
    cluster.change_spec(NAME, suspend=True)
    serve(cluster)
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert condition(cluster, "Serving")[0] == "False"
    assert status_of(cluster)["phase"] == "Succeeded"
    cluster.change_spec(NAME, suspend=False)
    serve(cluster)
    assert condition(cluster, "Serving")[0] == "True"


def serve(cluster: MemoryCluster) -> None:
    for _ in range(3):
        settle(cluster)
        cluster.tick()
    settle(cluster)


def condition(cluster: MemoryCluster, kind: str) -> tuple[str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def num_failures(cluster: MemoryCluster) -> int:
    return sum(stage.get("failures", 0) for stage in status_of(cluster).get("stages", []))


def done(cluster: MemoryCluster) -> int:
    return sum(s["state"] == "Succeeded" for s in status_of(cluster).get("stages", []))


def has_ended(job: dict[str, Any]) -> bool:
    return bool(job["status"].get("conditions"))
