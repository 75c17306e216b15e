"""Jobs and their pods as the API server keeps them: resources, quotas, the budget of a shard."""

import json
from pathlib import Path
from typing import Any

import pytest

from steerlm_operator.render.mounts import SHARED_MEMORY_DIR
from tests.cluster.cluster import Cluster
from tests.cluster.runs import a_stand_in_run

pytestmark = pytest.mark.cluster

EFA = "vpc.amazonaws.com/efa"
HUGE_PAGES, HUGE_BYTES = "hugepages-2Mi", 5120 * 2**20
NETWORKED = {
    "gpus": 8,
    "cpu": "48",
    "memory": "256Gi",
    "sharedMemory": "64Gi",
    "extended": {EFA: 4, HUGE_PAGES: HUGE_BYTES},
}


def of_stage(cluster: Cluster, kind: str, namespace: str, stage: str) -> list[dict[str, Any]]:
    found = cluster.get(kind, "-n", namespace, "-l", f"steerlm.dev/stage={stage}")["items"]
    return [dict(item) for item in found]


def set_resources(cluster: Cluster, node: str, resources: dict[str, str | None]) -> None:
    """Let a node have further resources, or none of them any more."""
    given = {"status": {"capacity": resources, "allocatable": resources}}
    patch = ("patch", "node", node, "--subresource=status", "--type=merge", "-p")
    cluster.kubectl(*patch, json.dumps(given))


def test_a_gang_gets_network_cards_huge_pages_and_shared_memory(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["bootstrap"]["iterations"] = 0
    run["spec"]["stages"]["trainApm"]["resources"] = NETWORKED
    cluster.apply(namespace, run)
    reason = '--for=jsonpath={.status.stages[?(@.name=="train-apm")].reason}=Unschedulable'
    cluster.kubectl("wait", "-n", namespace, "slr/r", reason, "--timeout=60s")
    assert f"Insufficient {EFA}" in cluster.kubectl("describe", "slr", "r", "-n", namespace)
    (pod,) = of_stage(cluster, "pods", namespace, "train-apm")
    (container,) = pod["spec"]["containers"]
    fixed = {"nvidia.com/gpu": "8", EFA: "4", HUGE_PAGES: str(HUGE_BYTES), "memory": "256Gi"}
    assert container["resources"] == {"limits": fixed, "requests": {**fixed, "cpu": "48"}}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Gi"}
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert mounts["shared-memory"] == SHARED_MEMORY_DIR

    set_resources(cluster, "gpu-1", {EFA: "4", HUGE_PAGES: "5Gi"})
    ended = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    set_resources(cluster, "gpu-1", {EFA: None, HUGE_PAGES: None})
    assert ended["status"]["stages"][1]["node"] == "gpu-1"


def set_quota(cluster: Cluster, namespace: str, what: str) -> None:
    """Allow none of something, and return when the server knows."""
    cluster.kubectl("create", "quota", "none", "-n", namespace, f"--hard={what}=0")
    known = "--for=jsonpath={.status.hard." + what.replace(".", "\\.") + "}=0"
    cluster.kubectl("wait", "quota/none", "-n", namespace, known)


def test_a_job_that_a_quota_refuses_is_named_and_comes_when_it_may(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    set_quota(cluster, namespace, "count/jobs.batch")
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["bootstrap"]["iterations"] = 0
    cluster.apply(namespace, run)
    cluster.wait_for_reason(namespace, "r", "LaunchRefused")
    assert "LaunchRefused" in cluster.kubectl("get", "slr", "r", "-n", namespace)
    assert "exceeded quota: none" in cluster.kubectl("describe", "slr", "r", "-n", namespace)
    cluster.kubectl("delete", "quota", "none", "-n", namespace)
    ended = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    prepare = ended["status"]["stages"][0]
    assert (prepare["attempt"], prepare["failures"], prepare["disruptions"]) == (1, 0, 0)


def test_pods_that_a_quota_refuses_are_named(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    set_quota(cluster, namespace, "pods")
    cluster.apply(namespace, a_stand_in_run(stand_in_folder))
    cluster.wait_for_reason(namespace, "r", "PodsNotCreated")
    assert "PodsNotCreated" in cluster.kubectl("get", "slr", "r", "-n", namespace)
    assert "exceeded quota: none" in cluster.kubectl("describe", "slr", "r", "-n", namespace)


def test_a_shard_has_a_budget_of_its_own(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    """The Job starts it again after ten seconds; the other one is not disturbed."""
    for name, times in (("mended", "1"), ("spent", "9")):
        failing = {"STAND_IN_STAGE": "annotate", "STAND_IN_SHARD": "1", "STAND_IN_EXIT": "1"}
        run = a_stand_in_run(stand_in_folder, name=name, STAND_IN_TIMES=times, **failing)
        run["spec"]["bootstrap"]["iterations"] = 0
        run["spec"]["stages"]["annotate"] |= {"shards": 2, "retry": {"limit": 1}}
        cluster.apply(namespace, run)
    mended = cluster.wait_for(namespace, "mended", "Succeeded", seconds=90)
    spent = cluster.wait_for(namespace, "spent", "Succeeded=False", seconds=90)
    stages = [run["status"]["stages"][2] for run in (mended, spent)]
    assert [stage["name"] for stage in stages] == ["annotate"] * 2
    told = [(s["state"], s["attempt"], s["failures"], s["disruptions"]) for s in stages]
    assert told == [("Succeeded", 1, 0, 0), ("Failed", 1, 1, 0)]
    assert (stages[1]["reason"], stages[1]["exitCode"]) == ("StageCrashed", 1)
    assert stages[1]["message"] == "annotate was told to fail"
    jobs = of_stage(cluster, "jobs", namespace, "annotate")
    assert len(jobs) == 2
    index = "batch.kubernetes.io/job-completion-index"
    pods = of_stage(cluster, "pods", namespace, "annotate")
    of_shards = sorted(
        (pod["metadata"]["labels"]["steerlm.dev/run"], pod["metadata"]["labels"][index])
        for pod in pods
    )
    assert [key for key in of_shards if key[1] == "1"] == [("mended", "1")] * 2 + [
        ("spent", "1")
    ] * 2
    assert of_shards.count(("mended", "0")) == 1
