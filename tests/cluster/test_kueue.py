"""Kueue, played by the test: it lets Jobs go and takes nodes back; the operator never does."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.runs import a_stand_in_run

pytestmark = pytest.mark.cluster

TRAINING = "steerlm.dev/stage=train-apm"
CPU_STAGES = ("prepare", "annotate", "trainAcsft", "sample", "evaluate")


def set_suspend(cluster: Cluster, namespace: str, job: str, value: str) -> None:
    patch = f'{{"spec":{{"suspend":{value}}}}}'
    cluster.kubectl("patch", "job", job, "-n", namespace, "--type=merge", "-p", patch)


def the_job(cluster: Cluster, namespace: str) -> dict[str, Any]:
    (job,) = cluster.get("jobs", "-n", namespace, "-l", TRAINING)["items"]
    return dict(job)


def test_a_queue_lets_a_stage_go_takes_it_back_and_no_failure_is_counted(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.3")
    run["spec"]["queue"] = {"localQueue": "a100", "priorityClass": "high"}
    for stage in CPU_STAGES:
        run["spec"]["stages"].setdefault(stage, {})["queue"] = {"localQueue": ""}
    cluster.apply(namespace, run)
    cluster.wait_for_stage(namespace, "r", "train-apm", "Queued")
    held = ("wait", "job", "-n", namespace, "-l", TRAINING, "--for=jsonpath={.spec.suspend}=true")
    cluster.kubectl(*held)
    job = the_job(cluster, namespace)
    labels = job["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "a100"
    assert labels["kueue.x-k8s.io/priority-class"] == "high"
    (prepare,) = cluster.get("jobs", "-n", namespace, "-l", "steerlm.dev/stage=prepare")["items"]
    assert "kueue.x-k8s.io/queue-name" not in prepare["metadata"]["labels"]

    name = job["metadata"]["name"]
    set_suspend(cluster, namespace, name, "false")
    cluster.wait_for_stage(namespace, "r", "train-apm", "Running")
    set_suspend(cluster, namespace, name, "true")
    cluster.wait_for_stage(namespace, "r", "train-apm", "Queued")
    cluster.kubectl("wait", "pods", "-n", namespace, "-l", TRAINING, "--for=delete")
    assert the_job(cluster, namespace)["spec"]["suspend"] is True

    set_suspend(cluster, namespace, name, "false")
    ended = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    stage = ended["status"]["stages"][1]
    assert (stage["attempt"], stage["failures"], stage["disruptions"]) == (1, 0, 0)
    assert the_job(cluster, namespace)["metadata"]["uid"] == job["metadata"]["uid"]
