"""A node that stops to answer: what is said, when its pods are given up, and what goes on."""

from typing import Any

import pytest

from steerlm_operator.cluster.api import Resource
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, status_of

NODE = "gpu-0"


def with_a_lost_node(**spec: Any) -> MemoryCluster:
    """Return a cluster whose run was at work on a node that has stopped to answer."""
    cluster = MemoryCluster()
    cluster.add_run(a_run(**spec))
    settle(cluster)
    cluster.tick()
    settle(cluster)
    cluster.lose(NODE)
    settle(cluster)
    cluster.node = "gpu-1"  # nothing more is placed on the lost one
    return cluster


def evict(cluster: MemoryCluster) -> None:
    """Do what the cluster does after five minutes: delete the pods of a node that is silent."""
    for pod in cluster.objects(Resource.PODS):
        cluster._mark(Resource.PODS, pod)
    settle(cluster)


def stage(cluster: MemoryCluster) -> dict[str, Any]:
    return dict(status_of(cluster)["stages"][0])


def condition(cluster: MemoryCluster, kind: str) -> tuple[str, str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found["message"]


def test_a_node_that_does_not_answer_is_named_and_waited_for():
    cluster = with_a_lost_node()
    told = "prepare: node gpu-0 does not answer"
    assert (stage(cluster)["state"], stage(cluster)["reason"]) == ("Running", "NodeUnreachable")
    assert condition(cluster, "Degraded") == ("True", "NodeUnreachable", told)
    assert condition(cluster, "Progressing") == ("True", "NodeUnreachable", told)
    messages = [event["message"] for event in cluster.objects(Resource.EVENTS)]
    assert "prepare, attempt 1 (NodeUnreachable): node gpu-0 does not answer" in messages
    cluster.tick(200)
    settle(cluster)
    assert (stage(cluster)["attempt"], len(launched(cluster))) == (1, 1)


def test_a_node_that_comes_back_has_cost_nothing():
    cluster = with_a_lost_node()
    cluster.lost_nodes.clear()
    for pod in cluster.objects(Resource.PODS):
        pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        cluster._touch(Resource.PODS, pod)
    settle(cluster)
    assert stage(cluster).get("reason") is None
    assert condition(cluster, "Degraded")[:2] == ("False", "Healthy")
    assert run_to_end(cluster)["phase"] == "Succeeded"
    assert stage(cluster)["attempt"] == 1


def test_a_pod_that_does_not_end_is_given_up_a_minute_after_its_grace():
    cluster = with_a_lost_node()
    evict(cluster)
    cluster.tick(59)
    settle(cluster)
    assert (stage(cluster)["reason"], len(launched(cluster))) == ("NodeUnreachable", 1)
    cluster.tick(1)
    settle(cluster)
    assert stage(cluster)["reason"] == "NodeLost"
    status = run_to_end(cluster)
    prepare = status["stages"][0]
    assert (status["phase"], prepare["attempt"], prepare["disruptions"]) == ("Succeeded", 2, 1)
    assert prepare.get("failures", 0) == 0
    assert prepare["lastFailures"][0]["reason"] == "NodeLost"
    why = "its pod on node gpu-0 did not end: the node does not answer"
    assert prepare["lastFailures"][0]["message"] == why
    assert prepare["node"] == "gpu-1"


def test_a_pod_that_takes_its_grace_is_not_lost():
    cluster = with_a_lost_node()
    evict(cluster)
    cluster.tick(30)
    settle(cluster)
    cluster.lost_nodes.clear()  # it was only slow
    cluster.tick(1)
    settle(cluster)
    cluster.tick(61)
    settle(cluster)
    assert stage(cluster).get("lastFailures", []) == []


@pytest.mark.parametrize(
    ("change", "phase"), [({"suspend": True}, "Suspended"), ({"shutdown": "Terminate"}, "Stopped")]
)
def test_a_lost_node_keeps_no_run_from_stopping(change: dict[str, Any], phase: str):
    cluster = with_a_lost_node()
    cluster.change_spec("quickstart", **change)
    for _ in range(4):
        settle(cluster)
        cluster.tick(61)
    settle(cluster)
    assert cluster.objects(Resource.JOBS) == []
    assert status_of(cluster)["phase"] == phase
    assert stage(cluster).get("disruptions", 0) == 0
