"""The pods of the operator's benchmark: how long they run, and what is said of Argo's."""

import asyncio
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.operator.hollow import HollowKubelet, spread
from steerlm_operator.render.names import STAGE_LABEL
from tests.cluster.kubelet import Object, Pod
from tests.cluster.runs import STAND_IN_IMAGE


class ToldKubelet(HollowKubelet):
    """Keeps what it would have asked of the API server."""

    def __init__(self, folder: Path) -> None:
        cluster, user = {"server": "https://127.0.0.1:1"}, {"token": ""}
        config = {"clusters": [{"cluster": cluster}], "users": [{"user": user}]}
        file = folder / "kubeconfig"
        file.write_text(json.dumps(config), encoding="utf-8")
        super().__init__(file, folder)
        self.calls: list[tuple[str, str, Any]] = []

    async def _call(
        self, verb: str, path: str, body: Object | None = None, **_more: object
    ) -> Object:
        self.calls.append((verb, path.rpartition("namespaces/default/")[2], body))
        return {}


def a_pod_of_argo() -> Object:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "r-1", "uid": "u"}
    return {
        "metadata": {
            "name": "r-1-prepare-12",
            "namespace": "default",
            "labels": {STAGE_LABEL: "prepare"},
            "annotations": {"workflows.argoproj.io/node-id": "r-1-12"},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": "hollow-0",
            "initContainers": [{"name": "init", "image": STAND_IN_IMAGE}],
            "containers": [{"name": n, "image": STAND_IN_IMAGE} for n in ("wait", "main")],
        },
    }


def test_stages_take_half_to_one_and_a_half_times_the_mean_each_always_the_same() -> None:
    lengths = [spread(f"run-{i}-0123abcd-prepare-1-0-x7k2p", 30.0) for i in range(400)]
    assert min(lengths) >= 15.0
    assert max(lengths) <= 45.0
    assert abs(statistics.mean(lengths) - 30.0) < 2.0
    assert lengths[7] == spread("run-7-0123abcd-prepare-1-0-x7k2p", 30.0)


def test_the_result_of_argos_pod_is_complete_before_all_its_containers_have_ended(
    tmp_path: Path,
) -> None:
    kubelet = ToldKubelet(tmp_path)
    asyncio.run(kubelet._life(Pod(a_pod_of_argo(), tmp_path, "127.0.0.1")))
    assert [(verb, path) for verb, path, _ in kubelet.calls] == [
        ("PATCH", "pods/r-1-prepare-12/status"),
        ("POST", "workflowtaskresults"),
        ("PATCH", "workflowtaskresults/r-1-12"),
        ("PATCH", "workflowtaskresults/r-1-12"),
        ("PATCH", "pods/r-1-prepare-12/status"),
    ]
    status = kubelet.calls[-1][2]["status"]
    listed = [*status["initContainerStatuses"], *status["containerStatuses"]]
    ends = {each["name"]: each["state"]["terminated"]["exitCode"] for each in listed}
    assert (status["phase"], ends) == ("Succeeded", {"init": 0, "wait": 0, "main": 0})
