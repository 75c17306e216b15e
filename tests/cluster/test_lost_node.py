"""A node that stops to answer, on a real control plane: named, given up, and gone on without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kubelet import FAULT_ANNOTATION
from tests.cluster.runs import a_stand_in_run

pytestmark = pytest.mark.cluster
TRAINING = "steerlm.dev/stage=train-apm"


@pytest.fixture
def silent_nodes(cluster: Cluster) -> Iterator[list[str]]:
    """Nodes that the test lets fall silent; they answer again when it is over."""
    nodes: list[str] = []
    yield nodes
    for node in nodes:
        cluster.kubectl("annotate", f"node/{node}", f"{FAULT_ANNOTATION}-")
        cluster.kubectl("wait", f"node/{node}", "--for=condition=Ready", "--timeout=30s")


def test_a_stage_on_a_node_that_is_lost_goes_on_elsewhere(
    cluster: Cluster, namespace: str, stand_in_folder: Path, silent_nodes: list[str]
) -> None:
    """The pod is deleted by the test, as the cluster would after five minutes."""
    run = a_stand_in_run(stand_in_folder, gpus=8, STAND_IN_STEP_SECONDS="0.5")
    run["spec"]["bootstrap"]["iterations"] = 0
    cluster.apply(namespace, run)
    cluster.wait_for_stage(namespace, "r", "train-apm", "Running")
    (pod,) = cluster.get("pods", "-n", namespace, "-l", TRAINING)["items"]
    node = pod["spec"]["nodeName"]
    silent_nodes.append(node)
    cluster.kubectl("annotate", f"node/{node}", f"{FAULT_ANNOTATION}=silent")
    stage = '{.status.stages[?(@.name=="train-apm")]'
    wait = ("wait", "-n", namespace, "slr/r", "--timeout=60s")
    cluster.kubectl(*wait, f"--for=jsonpath={stage}.reason}}=NodeUnreachable")
    told = f"node {node} does not answer"
    assert told in cluster.kubectl("describe", "slr", "r", "-n", namespace)

    gone = ("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--wait=false")
    cluster.kubectl(*gone, "--grace-period=1")
    cluster.kubectl(*wait, f"--for=jsonpath={stage}.attempt}}=2")
    training = cluster.wait_for(namespace, "r", "Succeeded", seconds=90)["status"]["stages"][1]
    assert (training["disruptions"], training["failures"]) == (1, 0)
    assert [failure["reason"] for failure in training["lastFailures"]] == ["NodeLost"]
    assert training["lastFailures"][0]["message"].startswith(f"its pod on node {node} did not end")
    assert training["node"] not in {"", node}
