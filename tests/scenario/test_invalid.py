"""A change that makes the spec of a run invalid takes it from nobody's control."""

import json
from typing import Any

import pytest

from steerlm_operator.cluster.api import Resource
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, states, status_of
from tests.scenario.test_retry import Failing

NAME = "quickstart"
BREAKING = [{"serve": {"engine": "Vllm"}}, {"bootstrap": {"iterations": "two"}}]
"""One breaks a rule; one cannot be read at all, as after an upgrade."""


def condition(cluster: MemoryCluster, kind: str) -> tuple[str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def running() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    settle(cluster)
    assert states(status_of(cluster))["prepare"] == "Running"
    return cluster


def go_on(cluster: MemoryCluster, rounds: int = 3) -> None:
    for _ in range(rounds):
        settle(cluster)
        cluster.tick()
    settle(cluster)


@pytest.mark.parametrize("breaking", [*BREAKING, {"retry": {"fromStage": "trainApm", "count": 1}}])
def test_what_a_run_has_reached_stands_when_its_spec_is_broken(breaking: dict[str, Any]):
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    before = run_to_end(cluster)
    cluster.change_spec(NAME, **breaking)
    go_on(cluster)
    after = status_of(cluster)
    assert (after["phase"], after["stages"]) == ("Succeeded", before["stages"])
    assert condition(cluster, "Succeeded") == ("True", "RunSucceeded")
    assert condition(cluster, "Accepted") == (
        ("True", "Accepted") if "retry" in breaking else ("False", "InvalidSpec")
    )


@pytest.mark.parametrize("breaking", BREAKING)
@pytest.mark.parametrize("end", [{"suspend": True}, {"shutdown": "Terminate"}])
def test_a_run_whose_spec_is_broken_is_suspended_and_terminated_all_the_same(
    breaking: dict[str, Any], end: dict[str, Any]
):
    cluster = running()
    good = json.loads(json.dumps(cluster.object(Resource.RUNS, NAME)["spec"]))
    cluster.change_spec(NAME, **breaking)
    settle(cluster)
    assert condition(cluster, "Accepted") == ("False", "InvalidSpec")
    assert states(status_of(cluster))["prepare"] == "Running"
    cluster.change_spec(NAME, **end)
    cluster._end_pods = lambda job, pods: None  # it would not end by itself
    go_on(cluster)
    assert cluster.objects(Resource.JOBS) == cluster.objects(Resource.PODS) == []
    cluster.change_spec(NAME, serve={}, bootstrap=good["bootstrap"])
    go_on(cluster, 1)
    assert condition(cluster, "Accepted") == ("True", "Accepted")
    state = {"suspend": "Pending", "shutdown": "Cancelled"}[next(iter(end))]
    assert (states(status_of(cluster))["prepare"], len(launched(cluster))) == (state, 1)
    assert status_of(cluster)["stages"][0].get("disruptions", 0) == 0


def test_a_run_whose_spec_is_broken_starts_nothing_more_and_goes_on_when_it_is_mended():
    cluster = running()
    cluster.change_spec(NAME, serve={"engine": "Vllm"})
    go_on(cluster)
    assert states(status_of(cluster))["prepare"] == "Succeeded"
    assert condition(cluster, "Progressing") == ("False", "InvalidSpec")
    assert len(launched(cluster)) == 1
    cluster.change_spec(NAME, serve={})
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_a_retry_from_no_stage_waits_until_it_names_one():
    work = Failing("evaluate")
    cluster = MemoryCluster(work)
    cluster.add_run(a_run())
    run_to_end(cluster)
    num = len(launched(cluster))
    work.failing.clear()
    cluster.change_spec(NAME, retry={"count": 1, "fromStage": "sample-9"})
    settle(cluster)
    accepted = next(c for c in status_of(cluster)["conditions"] if c["type"] == "Accepted")
    assert accepted["status"] == "True"
    assert accepted["message"].startswith("spec.retry.fromStage: is 'sample-9', no stage of this")
    assert (status_of(cluster)["phase"], len(launched(cluster))) == ("Failed", num)
    cluster.change_spec(NAME, retry={"count": 1, "fromStage": "sample-1"})
    assert run_to_end(cluster)["phase"] == "Succeeded"
    assert launched(cluster)[num].endswith("sample-1-2")


def test_what_is_served_stays_when_the_spec_is_broken():
    cluster = MemoryCluster()
    cluster.add_run(a_run(serve={"enabled": True}))
    run_to_end(cluster)
    go_on(cluster, 1)
    (before,) = cluster.objects(Resource.DEPLOYMENTS)
    version = before["metadata"]["resourceVersion"]
    cluster.change_spec(NAME, serve={"enabled": True, "engine": "Vllm", "replicas": 2})
    go_on(cluster, 1)
    (after,) = cluster.objects(Resource.DEPLOYMENTS)
    assert after["metadata"]["resourceVersion"] == version
    assert condition(cluster, "Serving") == ("True", "InvalidSpec")
