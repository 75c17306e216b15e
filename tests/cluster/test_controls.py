"""What a person may say to a run, on a real control plane: wait, go on, hands off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.runs import a_stand_in_run
from tests.quickstart import STAGES

pytestmark = pytest.mark.cluster
NOWHERE = {"nodeSelector": {"example.com/room": "nowhere"}}


def jobs(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("jobs", "-n", namespace)["items"]
    return found


def at_once(cluster: Cluster, namespace: str, run: dict[str, Any]) -> None:
    """Suspended before anybody has seen it."""
    run["spec"]["suspend"] = True
    cluster.apply(namespace, run)


def unschedulable(cluster: Cluster, namespace: str, run: dict[str, Any]) -> None:
    run["spec"]["defaults"]["cpuPlacement"] = NOWHERE
    cluster.apply(namespace, run)
    cluster.wait_for_reason(namespace, "r", "Unschedulable")
    cluster.patch(namespace, "r", {"suspend": True})
    cluster.patch(namespace, "r", {"defaults": {"cpuPlacement": {"nodeSelector": None}}})


def in_backoff(cluster: Cluster, namespace: str, run: dict[str, Any]) -> None:
    told = {"STAND_IN_STAGE": "prepare", "STAND_IN_EXIT": "1", "STAND_IN_TIMES": "1"}
    run["spec"]["defaults"]["env"] += [{"name": k, "value": v} for k, v in told.items()]
    run["spec"]["defaults"]["retry"]["backoffSeconds"] = 5
    cluster.apply(namespace, run)
    cluster.wait_for_stage(namespace, "r", "prepare", "Retrying")
    cluster.patch(namespace, "r", {"suspend": True})


def in_the_last_stage(cluster: Cluster, namespace: str, run: dict[str, Any]) -> None:
    slow = {"name": "STAND_IN_STEP_SECONDS", "value": "0.5"}
    run["spec"]["stages"]["evaluate"]["env"] = [slow]
    cluster.apply(namespace, run)
    cluster.wait_for_stage(namespace, "r", "evaluate", "Running")
    cluster.patch(namespace, "r", {"suspend": True})


@pytest.mark.parametrize("suspend", [at_once, unschedulable, in_backoff, in_the_last_stage])
def test_a_run_can_be_suspended_in_any_state_and_goes_on(
    cluster: Cluster,
    namespace: str,
    stand_in_folder: Path,
    suspend: Callable[[Cluster, str, dict[str, Any]], None],
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["bootstrap"]["iterations"] = 0
    suspend(cluster, namespace, run)
    suspended = cluster.wait_for(namespace, "r", "Suspended")
    done = {s["name"] for s in suspended["status"]["stages"] if s["state"] == "Succeeded"}
    for job in jobs(cluster, namespace):
        is_done = job["metadata"]["labels"]["steerlm.dev/stage"] in done  # Complete comes later
        if not (is_done or job["status"].get("conditions")):
            name = job["metadata"]["name"]
            cluster.kubectl("wait", f"job/{name}", "-n", namespace, "--for=delete", "--timeout=60s")
    assert cluster.get("slr/r", "-n", namespace)["status"]["phase"] == "Suspended"
    cluster.patch(namespace, "r", {"suspend": False})
    ended = cluster.wait_for(namespace, "r", "Succeeded")
    for stage in ended["status"]["stages"]:
        assert stage["attempt"] == 1 or stage["name"] not in done
        assert stage.get("disruptions", 0) == 0
    failures = sum(stage.get("failures", 0) for stage in ended["status"]["stages"])
    assert failures == (1 if suspend is in_backoff else 0)


def test_a_run_that_another_controller_manages_is_left_alone(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    theirs = a_stand_in_run(stand_in_folder, name="theirs")
    theirs["spec"]["managedBy"] = "example.com/another"
    cluster.apply(namespace, theirs)
    cluster.apply(namespace, a_stand_in_run(stand_in_folder))
    cluster.wait_for(namespace, "r", "Succeeded")  # seen later, and long done
    assert "status" not in cluster.get("slr/theirs", "-n", namespace)
    runs = {job["metadata"]["labels"]["steerlm.dev/run"] for job in jobs(cluster, namespace)}
    assert runs == {"r"}


def test_a_frozen_run_stands_still_and_goes_on_from_there(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.3"))
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    run, key = "steerlmrun/r", "steerlm.dev/reconcile"
    cluster.kubectl("annotate", run, "-n", namespace, f"{key}=disabled")
    before = cluster.get(run, "-n", namespace)["status"]
    cluster.kubectl(
        "wait", "-n", namespace, "jobs", "--all", "--for=condition=Complete", "--timeout=60s"
    )
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, name="other"))
    cluster.wait_for(namespace, "other", "Succeeded")
    assert cluster.get(run, "-n", namespace)["status"] == before
    cluster.kubectl("annotate", run, "-n", namespace, f"{key}-")
    stages = cluster.wait_for(namespace, "r", "Succeeded")["status"]["stages"]
    assert {stage["name"]: stage["attempt"] for stage in stages} == dict.fromkeys(STAGES, 1)


def test_pods_that_never_get_ready_are_a_disruption_and_tried_again(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["stages"]["prepare"] = {
        "placement": NOWHERE,
        "podsReadyTimeoutSeconds": 2,
        "retry": {"disruptionLimit": 1, "backoffSeconds": 0},
    }
    cluster.apply(namespace, run)
    prepare = cluster.wait_for(namespace, "r", "Succeeded=False")["status"]["stages"][0]
    assert (prepare["state"], prepare["reason"]) == ("Failed", "PodsNotReady")
    assert (prepare["attempt"], prepare["disruptions"], prepare.get("failures", 0)) == (2, 2, 0)
    assert "PodsNotReady" in cluster.kubectl("describe", "slr", "r", "-n", namespace)
