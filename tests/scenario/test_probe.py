"""Attempts whose Jobs completed, and whose pods were collected before anybody read their report."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Resource
from steerlm_operator.render.names import PROBE_ROLE, ROLE_LABEL
from tests.quickstart import STAGES, quickstart
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import settle, status_of


def run_without_reports(cluster: MemoryCluster, spared: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run to the end; the pods of a stage are gone as soon as they have ended."""
    cluster.add_run(quickstart())
    for _ in range(250):
        settle(cluster)
        status = status_of(cluster)
        if status.get("phase") in {"Succeeded", "Failed"}:
            return status
        cluster.watchers = []  # the operator is away
        cluster.tick()
        collect(cluster, spared)
    raise AssertionError(status)


def collect(cluster: MemoryCluster, spared: tuple[str, ...]) -> None:
    for pod in cluster.objects(Resource.PODS):
        labels = pod["metadata"]["labels"]
        stage = labels["steerlm.dev/stage"]
        is_over = pod["status"]["phase"] in {"Succeeded", "Failed"}
        if is_over and ROLE_LABEL not in labels and stage not in spared:
            cluster._remove(Resource.PODS, pod)


def jobs(cluster: MemoryCluster, role: str = "") -> Counter[str]:
    found = (job["metadata"]["labels"] for job in cluster.objects(Resource.JOBS))
    return Counter(
        labels["steerlm.dev/stage"] for labels in found if labels.get(ROLE_LABEL, "") == role
    )


def test_no_stage_runs_again_because_its_pods_were_collected():
    cluster = MemoryCluster()
    status = run_without_reports(cluster, spared=("prepare",))
    assert status["phase"] == "Succeeded"
    assert jobs(cluster) == Counter(STAGES)
    assert jobs(cluster, PROBE_ROLE) == Counter(STAGES[1:])
    assert {stage["state"] for stage in status["stages"]} == {"Succeeded"}
    assert [stage.get("failures", 0) for stage in status["stages"]] == [0] * len(STAGES)


def test_prepare_whose_name_only_its_report_tells_runs_again():
    collected: list[str] = []

    def work(config: StageConfig) -> tuple[int, Report | None]:
        collected.append(config.stage)
        return succeed(config)

    cluster = MemoryCluster(work)
    cluster.add_run(quickstart())
    settle(cluster)
    cluster.watchers = []
    for _ in range(2):
        cluster.tick()
    collect(cluster, ())
    settle(cluster)
    assert status_of(cluster)["stages"][0]["attempt"] == 1  # its report may be on its way
    cluster.watchers = []
    cluster.tick(11)
    settle(cluster)
    prepare = status_of(cluster)["stages"][0]
    assert (prepare["attempt"], prepare["disruptions"]) == (2, 1)
    assert prepare["lastFailures"][0]["reason"] == "AttemptLost"


def test_a_result_that_is_not_there_is_a_failure_with_the_words_of_the_probe():
    looks: Counter[str] = Counter()

    def work(config: StageConfig) -> tuple[int, Report | None]:
        looks[config.stage] += 1
        if config.stage == "train-apm" and looks["train-apm"] == 2:
            return 11, Report(exit_code=11, message="s3://runs/train-apm/x: there is no result")
        return succeed(config)

    cluster = MemoryCluster(work)
    status = run_without_reports(cluster, spared=("prepare",))
    trained = status["stages"][1]
    assert (status["phase"], trained["attempt"], trained["failures"]) == ("Succeeded", 2, 1)
    failure = trained["lastFailures"][0]
    assert (failure["reason"], failure["message"]) == (
        "ResultNotFound",
        "s3://runs/train-apm/x: there is no result",
    )


def probed(*, has_nodes: bool = False) -> MemoryCluster:
    """Return a cluster in which a probe looks for the result of train-apm."""
    cluster = MemoryCluster()
    cluster.add_run(quickstart())
    settle(cluster)
    while status_of(cluster)["stages"][1]["state"] != "Running":
        cluster.tick()
        settle(cluster)
    cluster.watchers = []
    cluster.tick()
    collect(cluster, ())
    cluster.has_nodes = has_nodes
    cluster.now += timedelta(seconds=11)
    settle(cluster)
    assert jobs(cluster, PROBE_ROLE) == Counter(["train-apm"])
    return cluster


def condition(cluster: MemoryCluster, kind: str) -> tuple[str, str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found["message"]


def test_a_probe_that_does_not_start_says_why_and_is_given_up_in_time():
    cluster = probed()
    (probe,) = [j for j in cluster.objects(Resource.JOBS) if ROLE_LABEL in j["metadata"]["labels"]]
    pod = {
        "metadata": {
            "name": "p",
            "namespace": "default",
            "labels": probe["metadata"]["labels"],
            "ownerReferences": [{"uid": probe["metadata"]["uid"], "controller": True}],
        },
        "spec": {"nodeName": ""},
        "status": {
            "phase": "Pending",
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/3 nodes",
                }
            ],
        },
    }
    cluster.add(Resource.PODS, pod)
    settle(cluster)
    stage = status_of(cluster)["stages"][1]
    assert (stage["state"], stage["reason"]) == ("Running", "Unschedulable")
    assert stage["message"].endswith("a probe looks for the result, and waits: 0/3 nodes")
    assert condition(cluster, "Progressing")[:2] == ("True", "Unschedulable")
    assert condition(cluster, "Degraded")[:2] == ("True", "Unschedulable")
    cluster.now += timedelta(seconds=1801)
    settle(cluster)
    cluster.tick()
    cluster.tick()
    settle(cluster)
    stage = status_of(cluster)["stages"][1]
    assert (stage["attempt"], stage["disruptions"], stage.get("failures", 0)) == (2, 1, 0)
    assert stage["lastFailures"][0]["reason"] == "PodsNotReady"
    assert jobs(cluster, PROBE_ROLE) == Counter()


def hung(seconds: int) -> MemoryCluster:
    """Return a cluster in which a probe has started, so long ago, and says nothing."""
    cluster = probed(has_nodes=True)
    cluster._end_pods = lambda job, pods: None
    cluster.tick()
    settle(cluster)
    cluster.tick(seconds)
    cluster.tick(0)  # a pod that is ended takes a moment
    settle(cluster)
    return cluster


def test_a_probe_that_has_started_may_take_its_time():
    cluster = hung(1800 + 590)  # podsReadyTimeoutSeconds is no bound of it
    stage = status_of(cluster)["stages"][1]
    assert (stage["state"], stage["attempt"]) == ("Running", 1)
    assert jobs(cluster, PROBE_ROLE) == Counter(["train-apm"])


def test_a_probe_that_hangs_is_ended_and_its_stage_begun_again_as_after_a_disruption():
    cluster = hung(1800 + 600)
    cluster.tick(31)  # the backoff
    settle(cluster)
    assert told_of_an_overdue_probe(cluster)


def test_a_probe_that_found_no_node_while_no_operator_was_there_counts_as_no_failure():
    cluster = probed()
    cluster.tick(1800 + 601)  # nobody looks, and the Job's clock goes on
    settle(cluster)
    cluster.has_nodes = True
    cluster.tick(31)
    settle(cluster)
    assert told_of_an_overdue_probe(cluster)


def told_of_an_overdue_probe(cluster: MemoryCluster) -> bool:
    """Return True if the stage is in its second attempt, and why, as it is to be."""
    stage = status_of(cluster)["stages"][1]
    failure = stage["lastFailures"][0]
    return (
        (stage["attempt"], stage["failures"], stage["disruptions"]) == (2, 0, 1)
        and failure["reason"] == "Interrupted"
        and failure["message"] == "the probe of its result did not end in time"
    )


@pytest.mark.parametrize("end", [{"suspend": True}, {"shutdown": "Terminate"}])
def test_a_probe_is_stopped_with_its_stage(end: dict[str, Any]):
    cluster = probed(has_nodes=True)
    cluster._end_pods = lambda job, pods: None
    cluster.tick()
    settle(cluster)
    cluster.change_spec("quickstart", **end)
    for _ in range(3):
        settle(cluster)
        cluster.tick()
    settle(cluster)
    assert jobs(cluster, PROBE_ROLE) == Counter()
    running = [p for p in cluster.objects(Resource.PODS) if p["status"]["phase"] == "Running"]
    assert running == []
    stage = status_of(cluster)["stages"][1]
    assert stage["state"] == {"suspend": "Pending", "shutdown": "Cancelled"}[next(iter(end))]
    assert stage.get("disruptions", 0) == 0
