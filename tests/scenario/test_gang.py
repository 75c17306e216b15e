"""A gang of which a pod finds no node: it is not ready, however well the others do."""

from datetime import timedelta
from typing import Any

from steerlm_operator.cluster.api import Resource
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, settle, states, status_of

UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes: Insufficient nvidia.com/gpu",
        }
    ],
}


class OneNode(MemoryCluster):
    """The second pod of a gang finds no node."""

    def _start_pods(self, job: dict[str, Any]) -> None:
        super()._start_pods(job)
        if job["spec"]["completions"] == 2:
            second = self.objects(Resource.PODS)[-1]
            second["spec"], second["status"] = {"nodeName": ""}, UNSCHEDULABLE
            self._touch(Resource.PODS, second)

    def _end_pods(self, job: dict[str, Any], pods: list[dict[str, Any]]) -> None:
        if len(pods) == 1:
            super()._end_pods(job, pods)


def test_a_gang_of_which_one_pod_starts_is_not_ready():
    cluster = OneNode()
    run = a_run()
    run["spec"]["stages"]["trainApm"] |= {"nodes": 2, "podsReadyTimeoutSeconds": 60}
    cluster.add_run(run)
    settle(cluster)
    while not launched(cluster)[-1].endswith("-train-apm-1"):
        cluster.tick()
        settle(cluster)
    cluster.tick()
    settle(cluster)
    training = status_of(cluster)["stages"][1]
    assert (training["state"], training["reason"]) == ("Queued", "Unschedulable")
    cluster.now += timedelta(seconds=60)
    for _ in range(3):
        settle(cluster)
        cluster.tick()
    settle(cluster)
    training = status_of(cluster)["stages"][1]
    assert training["lastFailures"][0]["reason"] == "PodsNotReady"
    assert (training["disruptions"], training["failures"]) == (1, 0)
    assert training["gpuSeconds"] == 0
    assert states(status_of(cluster))["annotate"] == "Pending"
