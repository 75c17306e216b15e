"""An upgraded operator, or changed values of the chart, in the middle of a run."""

from typing import Any

import pytest

from steerlm_jobs.contract.config import CONTRACT_VERSION
from steerlm_operator.api.placement import Placement
from steerlm_operator.cluster.api import Resource
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, run_to_end, settle, status_of

BEFORE = StagePodSettings(image="jobs:1", gpu_placement=Placement(node_selector={"gpu": "a100"}))
AFTER = StagePodSettings(image="jobs:2", gpu_placement=Placement(node_selector={"gpu": "h200"}))
GPUS = {"trainApm": {"resources": {"gpus": 1}}}


def pods(cluster: MemoryCluster) -> dict[str, tuple[str, Any]]:
    """Return image and node selector of the pods of each Job that there is, by stage."""
    found = {}
    for job in cluster.objects(Resource.JOBS):
        pod = job["spec"]["template"]["spec"]
        stage = job["metadata"]["labels"]["steerlm.dev/stage"]
        found[stage] = (pod["containers"][0]["image"], pod.get("nodeSelector"))
    return found


def begun(**spec: Any) -> MemoryCluster:
    """Return a cluster whose run was accepted, and started, under the old settings."""
    cluster = MemoryCluster()
    cluster.add_run(a_run(**spec))
    settle(cluster, BEFORE)
    assert set(pods(cluster)) == {"prepare"}
    return cluster


def test_what_the_installation_gave_is_pinned_when_a_run_is_accepted():
    assert status_of(begun())["resolved"] == {
        "image": "jobs:1",
        "gpuPlacement": {"nodeSelector": {"gpu": "a100"}},
        "contractVersion": CONTRACT_VERSION,
    }


def test_changed_settings_change_no_run_in_flight():
    cluster = begun(stages=GPUS)
    assert run_to_end(cluster, site=AFTER)["phase"] == "Succeeded"
    assert pods(cluster)["train-apm"] == ("jobs:1", {"gpu": "a100"})
    assert pods(cluster)["evaluate"] == ("jobs:1", None)
    assert status_of(cluster)["resolved"]["image"] == "jobs:1"


def test_a_run_that_comes_later_has_the_new_ones():
    cluster = begun(stages=GPUS)
    run_to_end(cluster, site=AFTER)
    cluster.add_run({**a_run(stages=GPUS), "metadata": {"name": "later"}})
    settle(cluster, AFTER)
    assert cluster.object(Resource.RUNS, "later")["status"]["resolved"]["image"] == "jobs:2"


@pytest.mark.parametrize(
    "change",
    [
        {"defaults": {"gpuPlacement": {"nodeSelector": {"gpu": "l40"}}}},
        {
            "stages": {
                "trainApm": {
                    "resources": {"gpus": 1},
                    "placement": {"nodeSelector": {"gpu": "l40"}},
                }
            }
        },
    ],
)
def test_a_users_placement_acts_from_the_next_attempt(change: dict[str, Any]):
    cluster = begun(stages=GPUS)
    cluster.change_spec("quickstart", **change)
    run_to_end(cluster, site=AFTER)
    assert pods(cluster)["train-apm"] == ("jobs:1", {"gpu": "l40"})


def test_a_retry_of_a_failed_run_takes_what_the_installation_gives_then():
    mended: list[bool] = []
    cluster = MemoryCluster(lambda config: succeed(config) if mended else (10, None))
    cluster.add_run(a_run(retry={"count": 0}))
    assert run_to_end(cluster, site=BEFORE)["phase"] == "Failed"
    settle(cluster, AFTER)
    assert status_of(cluster)["resolved"]["image"] == "jobs:1"
    mended.append(True)
    cluster.change_spec("quickstart", retry={"count": 1})
    settle(cluster, AFTER)
    assert status_of(cluster)["resolved"]["image"] == "jobs:2"
    assert run_to_end(cluster, site=AFTER)["phase"] == "Succeeded"
