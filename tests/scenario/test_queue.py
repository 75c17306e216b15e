"""A queue that lets Jobs go and takes nodes back, as Kueue does: waiting there is no running."""

from datetime import timedelta
from typing import Any

from steerlm_operator.cluster.api import Resource
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, status_of

NAME = "quickstart"


def text(cluster: MemoryCluster) -> str:
    return cluster.now.isoformat().replace("+00:00", "Z")


def prepare(cluster: MemoryCluster) -> dict[str, Any]:
    return dict(status_of(cluster)["stages"][0])


def take_back(cluster: MemoryCluster) -> None:
    """Hold the Job: a queue sets `suspend`, the Job's controller ends its pods and its start."""
    (job,) = cluster.objects(Resource.JOBS)
    job["spec"]["suspend"] = True
    job["status"] = {"conditions": [{"type": "Suspended", "status": "True"}]}
    cluster._touch(Resource.JOBS, job)
    for pod in cluster.objects(Resource.PODS):
        pod["metadata"]["deletionTimestamp"] = text(cluster)
        cluster._touch(Resource.PODS, pod)


def admit(cluster: MemoryCluster) -> None:
    (job,) = cluster.objects(Resource.JOBS)
    job["spec"]["suspend"] = False
    cluster._touch(Resource.JOBS, job)


def begin(cluster: MemoryCluster) -> None:
    """Let the Job's controller follow the queue."""
    (job,) = cluster.objects(Resource.JOBS)
    job["status"] = {"startTime": text(cluster)}
    cluster._touch(Resource.JOBS, job)


def running(**spec: Any) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.add_run(a_run(queue={"localQueue": "a100"}, **spec))
    settle(cluster)
    admit(cluster)
    begin(cluster)
    cluster.tick()
    settle(cluster)
    assert prepare(cluster)["state"] == "Running"
    return cluster


def test_a_job_is_not_late_between_its_queue_and_its_controller():
    """Two writers: the queue clears `suspend`, and a moment later the Job has started."""
    cluster = MemoryCluster()
    cluster.has_nodes = False
    cluster.add_run(a_run(queue={"localQueue": "a100"}))
    settle(cluster)
    cluster.now += timedelta(hours=2)
    admit(cluster)
    settle(cluster)
    (job,) = cluster.objects(Resource.JOBS)
    assert "deletionTimestamp" not in job["metadata"]
    assert prepare(cluster).get("reason") is None
    begin(cluster)
    cluster.now += timedelta(seconds=1799)
    settle(cluster)
    assert "deletionTimestamp" not in job["metadata"]
    cluster.now += timedelta(seconds=1)
    settle(cluster)
    assert "deletionTimestamp" in job["metadata"]
    assert prepare(cluster)["reason"] == "PodsNotReady"


def test_the_wait_after_a_preemption_is_no_running_time_however_it_ends():
    cluster = running(activeDeadlineSeconds=3600)
    cluster.now += timedelta(seconds=100)
    take_back(cluster)
    settle(cluster)
    cluster.tick()
    ran = status_of(cluster)["activeSeconds"]
    assert ran == 100
    cluster.now += timedelta(hours=10)
    settle(cluster)
    cluster.change_spec(NAME, suspend=True)
    for _ in range(3):
        settle(cluster)
        cluster.tick()
    settle(cluster)
    assert (status_of(cluster)["phase"], status_of(cluster)["activeSeconds"]) == ("Suspended", ran)
    cluster.change_spec(NAME, suspend=False, queue={"localQueue": ""})
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_a_pod_that_still_ends_is_not_the_one_of_the_next_admission():
    cluster = running()
    cluster.now += timedelta(seconds=1000)
    take_back(cluster)
    settle(cluster)
    cluster.now += timedelta(seconds=100)
    admit(cluster)
    begin(cluster)
    settle(cluster)
    assert prepare(cluster)["state"] == "Queued"
    cluster.now += timedelta(seconds=10)
    take_back(cluster)
    settle(cluster)
    assert status_of(cluster)["activeSeconds"] == 1000


def test_a_result_that_a_preempted_pod_still_makes_counts_its_time_once():
    cluster = running()
    cluster.now += timedelta(seconds=1000)
    take_back(cluster)
    settle(cluster)
    (job,) = cluster.objects(Resource.JOBS)
    (pod,) = cluster.objects(Resource.PODS)
    started = pod["status"]["containerStatuses"][0]["state"]["running"]
    cluster.now += timedelta(seconds=20)
    cluster._end_pods(job, [pod])
    pod["status"]["containerStatuses"][0]["state"]["terminated"] |= started
    cluster._touch(Resource.PODS, pod)
    settle(cluster)
    assert prepare(cluster)["state"] == "Succeeded"
    assert status_of(cluster)["activeSeconds"] == 1020
    assert launched(cluster)[1].endswith("-train-apm-1")
