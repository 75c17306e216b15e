"""The server of a model on a real control plane: a Deployment that follows its run."""

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.runs import a_stand_in_run
from tests.cluster.stand_in import MISSED_GATES

pytestmark = pytest.mark.cluster
SERVER = "steerlm.dev/role=server"
ANEW = {"count": 1, "ignoreCache": True, "fromStage": "train-acsft-1"}


def a_serving_run(folder: Path, **env: str) -> dict[str, Any]:
    run = a_stand_in_run(folder, **env)
    run["spec"]["serve"] = {"enabled": True}
    return run


def answer_of(cluster: Cluster, namespace: str) -> str:
    """Return the digest of the model that the one ready pod says it serves."""
    pods = cluster.get("pods", "-n", namespace, "-l", SERVER)["items"]
    (pod,) = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/") as answer:
        return answer.read().decode()


def model_of(run: dict[str, Any]) -> str:
    """Return the digest of the run's final model."""
    stage = next(s for s in run["status"]["stages"] if s["name"] == "train-acsft-1")
    return str(stage["artifact"]["digest"])


def condition(run: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(c for c in run["status"]["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def wait_for_evaluation(cluster: Cluster, namespace: str, attempt: int) -> None:
    """Wait until this attempt of evaluate is recorded: the run is on its way again."""
    path = f'{{.status.stages[?(@.name=="evaluate")].attempt}}={attempt}'
    cluster.kubectl("wait", "-n", namespace, "slr/r", f"--for=jsonpath={path}", "--timeout=180s")


def test_a_model_that_missed_its_gate_is_not_served_and_that_of_a_retry_which_passed_is(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    (stand_in_folder / MISSED_GATES).touch()
    cluster.apply(namespace, a_serving_run(stand_in_folder))
    run = cluster.wait_for(namespace, "r", "Succeeded=False", seconds=180)
    assert condition(run, "Succeeded") == ("False", "GateFailed")
    assert condition(run, "Serving") == ("False", "NotServing")
    assert cluster.get("deployments", "-n", namespace)["items"] == []
    missed = model_of(run)

    (stand_in_folder / MISSED_GATES).unlink()
    cluster.patch(namespace, "r", {"retry": ANEW})
    wait_for_evaluation(cluster, namespace, 2)
    run = cluster.wait_for(namespace, "r", "Serving", seconds=180)
    assert condition(run, "Succeeded") == ("True", "RunSucceeded")
    passed = model_of(run)
    assert passed != missed
    name = f"r-{run['metadata']['uid'][:8]}-server"
    assert run["status"]["serving"] == {
        "url": f"http://{name}.{namespace}.svc",
        "modelDigest": passed,
        "readyReplicas": 1,
    }
    assert answer_of(cluster, namespace) == passed
    assert "Serving" in cluster.kubectl("describe", "slr", "r", "-n", namespace)

    # A run that succeeded is not retried, so what is served stays.
    cluster.patch(namespace, "r", {"retry": {**ANEW, "count": 2}})
    path = "{.status.observedRetryCount}=2"
    cluster.kubectl("wait", "-n", namespace, "slr/r", f"--for=jsonpath={path}", "--timeout=60s")
    run = cluster.get("slr/r", "-n", namespace)
    assert condition(run, "Succeeded") == ("True", "RunSucceeded")
    assert model_of(run) == answer_of(cluster, namespace) == passed

    cluster.patch(namespace, "r", {"serve": {"enabled": False}})
    run = cluster.wait_for(namespace, "r", "Serving=False")
    cluster.kubectl("wait", "-n", namespace, "--for=delete", f"deployment/{name}", "--timeout=60s")
    assert "serving" not in cluster.get("slr/r", "-n", namespace)["status"]


def test_a_rollout_that_stalls_is_named(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_serving_run(stand_in_folder, STAND_IN_SERVER="unhealthy")
    run["spec"]["defaults"]["podsReadyTimeoutSeconds"] = 5
    cluster.apply(namespace, run)
    path = '{.status.conditions[?(@.type=="Serving")].reason}=RolloutStalled'
    cluster.kubectl("wait", "-n", namespace, "slr/r", f"--for=jsonpath={path}", "--timeout=180s")
    assert "0 of 1 replicas ready" in cluster.kubectl("describe", "slr", "r", "-n", namespace)
    assert condition(cluster.get("slr/r", "-n", namespace), "Succeeded")[0] == "True"
