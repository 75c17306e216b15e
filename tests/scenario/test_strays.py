"""Jobs that are alive and that no stage is waiting for: they are stopped."""

import asyncio
from typing import Any

import pytest

from steerlm_operator.cluster.api import ApiRefusedError, Object, Resource
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, states, status_of

NAME = "quickstart"


class LateJob(MemoryCluster):
    """The first Job appears late: its user has changed the run, and the answer is lost."""

    def __init__(self, **change: Any) -> None:
        super().__init__()
        self.change = change
        self.late: Object | None = None

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        if resource is Resource.JOBS and self.late is None:
            self.late = body
            self.change_spec(NAME, **self.change)
            raise ApiRefusedError(0, "TimeoutError", "no answer from the API server")
        return await super().create(resource, namespace, body)


def alive(cluster: MemoryCluster) -> list[str]:
    jobs = cluster.objects(Resource.JOBS)
    return [job["metadata"]["name"].split("-", 2)[2] for job in jobs if not job["status"]]


@pytest.mark.parametrize(
    ("change", "phase"), [({"shutdown": "Terminate"}, "Stopped"), ({"suspend": True}, "Suspended")]
)
def test_a_job_that_appears_when_nothing_may_run_any_more_is_stopped(change: dict, phase: str):
    cluster = LateJob(**change)
    cluster.add_run(a_run())
    settle(cluster)
    assert (status_of(cluster)["phase"], alive(cluster)) == (phase, [])
    assert cluster.late is not None
    asyncio.run(MemoryCluster.create(cluster, Resource.JOBS, "default", cluster.late))
    assert alive(cluster) == ["prepare-1"]
    for _ in range(3):
        settle(cluster)
        cluster.tick()
    settle(cluster)
    assert (cluster.objects(Resource.JOBS), cluster.objects(Resource.PODS)) == ([], [])
    assert status_of(cluster)["phase"] == phase


def test_a_stage_whose_job_is_alive_ends_before_another_one_is_launched():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    settle(cluster)
    while states(status_of(cluster))["train-acsft"] != "Running":
        cluster.tick()
        settle(cluster)
    stages = cluster.object(Resource.RUNS, NAME)["status"]["stages"]
    apm = next(stage for stage in stages if stage["name"] == "train-apm")
    apm.update(state="Pending")  # as if somebody had it made again
    cluster.change_spec(NAME)
    settle(cluster)
    assert alive(cluster) == ["train-acsft-1"]
    assert launched(cluster)[-1].endswith("train-acsft-1")
    (job,) = [j for j in cluster.objects(Resource.JOBS) if not j["status"]]
    assert "deletionTimestamp" in job["metadata"]
    cluster.tick()
    cluster.tick()
    settle(cluster)
    assert alive(cluster) == ["train-apm-2"]
    assert run_to_end(cluster)["phase"] == "Succeeded"
