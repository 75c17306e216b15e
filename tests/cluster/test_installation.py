"""What an installation decides, by real `helm upgrade`s: its policy, and what it gives to a run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import QUICK, Cluster
from tests.cluster.runs import STAND_IN_IMAGE, a_stand_in_run, created_jobs
from tests.quickstart import STAGES

pytestmark = pytest.mark.cluster
Install = Callable[..., None]


@pytest.fixture
def install(cluster: Cluster) -> Iterator[Install]:
    """Brings the chart up to values, and starts its operator; ends with the chart's own values."""

    def install(image: str = STAND_IN_IMAGE, **policy: Any) -> None:
        stages = {**cluster.stage_pods(), "image": image}
        told = cluster.install_chart({"stages": stages, "policy": policy})
        cluster.stop_operator()
        cluster.start_operator(
            stage_pods=told["STEERLM_OPERATOR_STAGE_PODS"],
            policy=told["STEERLM_OPERATOR_POLICY"],
            **QUICK,
        )

    yield install
    cluster.install_chart({})
    cluster.stop_operator()
    cluster.start_operator(**QUICK)


def a_run(folder: Path, name: str, **env: str) -> dict[str, Any]:
    """Return a run that leaves its image to the installation."""
    run = a_stand_in_run(folder, name=name, **env)
    del run["spec"]["defaults"]["image"]
    return run


def test_an_upgrade_changes_no_run_in_flight(
    cluster: Cluster, namespace: str, stand_in_folder: Path, install: Install
) -> None:
    install()
    cluster.apply(namespace, a_run(stand_in_folder, "before", STAND_IN_STEP_SECONDS="0.1"))
    cluster.wait_for_stage(namespace, "before", "prepare", "Running")
    (pod,) = cluster.get("pods", "-n", namespace)["items"]
    install(image="nowhere:2")
    cluster.apply(namespace, a_run(stand_in_folder, "after"))
    before = cluster.wait_for(namespace, "before", "Succeeded", seconds=120)
    assert before["status"]["resolved"]["image"] == STAND_IN_IMAGE
    selector = f"steerlm.dev/run-uid={before['metadata']['uid']}"
    pods = cluster.get("pods", "-n", namespace, "-l", selector)["items"]
    assert {p["spec"]["containers"][0]["image"] for p in pods} == {STAND_IN_IMAGE}
    assert pod["metadata"]["uid"] in {p["metadata"]["uid"] for p in pods}
    made = created_jobs(cluster.control_plane.audit_log(), namespace)
    assert len([name for name in made if name.startswith("before-")]) == len(STAGES)
    cluster.wait_for_reason(namespace, "after", "ImageNotPulled")
    after = cluster.get("slr/after", "-n", namespace)
    assert after["status"]["resolved"]["image"] == "nowhere:2"


def refusal(cluster: Cluster, namespace: str, name: str) -> str:
    """Return why a run was denied, once it was."""
    run = cluster.wait_for(namespace, name, "Accepted=False")
    accepted = next(c for c in run["status"]["conditions"] if c["type"] == "Accepted")
    assert accepted["reason"] == "PolicyDenied"
    assert "PolicyDenied" in cluster.kubectl("get", "slr", name, "-n", namespace)
    return str(accepted["message"])


def test_what_the_policy_forbids_waits_names_the_field_and_starts_once_it_may(
    cluster: Cluster, namespace: str, stand_in_folder: Path, install: Install
) -> None:
    install(allowedImages=["stand-in:"], maxNodes=2, activeRunsPerNamespace=1)
    foreign, wide, second = (
        a_run(stand_in_folder, name, STAND_IN_STEP_SECONDS="1")
        for name in ("foreign", "wide", "second")
    )
    foreign["spec"]["defaults"]["image"] = "evil:1"
    wide["spec"]["stages"]["annotate"]["shards"] = 3
    cluster.apply(namespace, foreign)
    cluster.apply(namespace, wide)
    image = "spec.defaults.image: evil:1 is not in policy.allowedImages: stand-in:"
    shards = "spec.stages.annotate.shards: 3 is above policy.maxNodes, 2"
    assert refusal(cluster, namespace, "foreign") == image
    assert refusal(cluster, namespace, "wide") == shards
    assert image in cluster.kubectl("describe", "slr", "foreign", "-n", namespace)
    assert created_jobs(cluster.control_plane.audit_log(), namespace) == []

    cluster.patch(namespace, "wide", {"stages": {"annotate": {"shards": 2}}})
    cluster.wait_for_stage(namespace, "wide", "prepare", "Running")
    cluster.apply(namespace, second)
    assert "policy.activeRunsPerNamespace is 1" in refusal(cluster, namespace, "second")
    made = created_jobs(cluster.control_plane.audit_log(), namespace)
    assert {name.split("-")[0] for name in made} == {"wide"}

    install()
    for name in ("foreign", "second"):
        cluster.wait_for(namespace, name, "Accepted")
    cluster.wait_for_stage(namespace, "second", "prepare", "Running")
    cluster.wait_for_reason(namespace, "foreign", "ImageNotPulled")
    for name in ("foreign", "wide", "second"):
        cluster.patch(namespace, name, {"shutdown": "Terminate"})
