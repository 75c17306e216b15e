"""The operator behind a proxy that fails: it lives, makes one Job an attempt, and gets there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import QUICK, Cluster
from tests.cluster.control_plane import OPERATOR
from tests.cluster.faults import Deed, Fault, FaultyProxy, is_call, is_watch, is_write
from tests.cluster.runs import a_stand_in_run, created_jobs

pytestmark = pytest.mark.cluster

FAULTS = {
    "a quarter of all calls is refused": Fault(Deed.STATUS, is_call, share=0.25, status=500),
    "the first writes are refused with 429": Fault(
        Deed.STATUS, is_write, at_most=3, status=429, headers={"Retry-After": "1"}
    ),
    "a quarter of all calls is dropped": Fault(Deed.DROP, is_call, share=0.25),
    "a third of all writes is done and the answer lost": Fault(Deed.LOSE, is_write, share=0.33),
    "a write gets no answer": Fault(Deed.SILENCE, is_write, share=0.3, at_most=2),
    "watches say that they are too old": Fault(Deed.GONE, is_watch, at_most=6),
    "watches say that the server has failed": Fault(Deed.FAILURE, is_watch, at_most=2),
    "a watch is garbled": Fault(Deed.GARBAGE, is_watch, at_most=2),
}


@pytest.fixture(scope="module")
def proxy(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyProxy]:
    kubeconfig = cluster.control_plane.kubeconfig(OPERATOR)
    folder = tmp_path_factory.mktemp("proxy")
    cluster.stop_operator()
    with FaultyProxy(kubeconfig, folder) as found:
        settings = {"relist_seconds": "2", "call_seconds": "2", "explain_seconds": "2"}
        cluster.start_operator(found.kubeconfig, **settings)
        yield found
        cluster.stop_operator()
    cluster.start_operator(**QUICK)


def a_short_run(folder: Path) -> dict[str, Any]:
    run = a_stand_in_run(folder, STAND_IN_STEP_SECONDS="0.01")
    run["spec"]["bootstrap"]["iterations"] = 0
    return run


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_ends_well_with_one_job_a_stage_although(
    cluster: Cluster, namespace: str, stand_in_folder: Path, proxy: FaultyProxy, name: str
) -> None:
    proxy.fault = FAULTS[name]
    cluster.apply(namespace, a_short_run(stand_in_folder))
    run = cluster.wait_for(namespace, "r", "Succeeded", seconds=90)
    proxy.fault = None
    stages = run["status"]["stages"]
    assert {stage["state"] for stage in stages} == {"Succeeded"}
    assert [stage["attempt"] for stage in stages] == [1] * len(stages)
    made = created_jobs(cluster.control_plane.audit_log(), namespace)
    assert len(made) == len(set(made)) == len(stages)
    assert FAULTS[name].num_done > 0
    assert cluster.operator_runs()


def test_an_operator_without_its_crd_ends_with_one_line(
    cluster: Cluster, proxy: FaultyProxy
) -> None:
    cluster.stop_operator()
    proxy.fault = Fault(Deed.STATUS, lambda r: r.path.endswith("/steerlmruns"), status=404)
    log = cluster.root / "operator.log"
    before = log.stat().st_size
    assert cluster.start_operator(proxy.kubeconfig).wait(30) == 10
    proxy.fault = None
    (line,) = log.read_bytes()[before:].decode().splitlines()
    assert "the cluster has no SteerLMRun: apply crds/steerlmruns.yaml" in line
