"""The operator's real shell against a cluster in memory: happy path, crashes, suspend, retry."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Report
from steerlm_operator.api.conditions import ConditionType
from steerlm_operator.cluster.api import ApiRefusedError, Resource
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.core.admission import Policy
from steerlm_operator.render.settings import StagePodSettings
from tests.quickstart import STAGES, quickstart
from tests.scenario.memory_cluster import Killed, MemoryCluster, succeed

_SITE = StagePodSettings()
_ANYTHING = Policy()


def a_run(**spec: Any) -> dict[str, Any]:
    """Return the quickstart with fields of its spec changed."""
    run = quickstart()
    run["spec"].update(spec)
    return run


async def _settled(cluster: MemoryCluster, site: StagePodSettings, policy: Policy) -> None:
    """Run a fresh operator until nothing is left to do now; it may be killed on the way."""
    shell = Shell(cluster, site, cluster.clock, Figures(), policy)

    def watch(resource: Resource, found: dict[str, Any], is_gone: bool) -> None:  # noqa: FBT001  # as the Protocol has it
        shell.saw(resource, found, is_gone=is_gone)

    cluster.watchers = [watch]
    await shell.relist()
    idle = 0
    while idle < 3:  # turns of the loop in which no timer put a run into the queue
        if len(shell.queue):
            idle = 0
            await shell.work_once()
            await shell.untold.tell_all()
        else:
            idle += 1
            await asyncio.sleep(0)


def settle(
    cluster: MemoryCluster, site: StagePodSettings = _SITE, policy: Policy = _ANYTHING
) -> bool:
    """Let an operator work until nothing is left to do now; return False if it was killed."""
    try:
        asyncio.run(_settled(cluster, site, policy))
    except Killed:
        cluster.watchers = []
        return False
    return True


def status_of(cluster: MemoryCluster) -> dict[str, Any]:
    return dict(cluster.object(Resource.RUNS, "quickstart")["status"])


def run_to_end(
    cluster: MemoryCluster, rounds: int = 60, site: StagePodSettings = _SITE
) -> dict[str, Any]:
    for _ in range(rounds):
        settle(cluster, site)
        status = status_of(cluster)
        if status.get("phase") in {"Succeeded", "Failed", "Stopped"}:
            return status
        cluster.tick(31)  # longer than the backoff
    raise AssertionError(status)


def launched(cluster: MemoryCluster) -> list[str]:
    return [name for kind, name in cluster.created if kind is Resource.JOBS]


def states(status: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["state"] for stage in status["stages"]}


def test_a_run_ends_with_one_job_a_stage():
    cluster = MemoryCluster()
    uid = cluster.add_run(a_run())["metadata"]["uid"]
    status = run_to_end(cluster)
    assert states(status) == dict.fromkeys(STAGES, "Succeeded")
    assert launched(cluster) == [f"quickstart-{uid[:8]}-{stage}-1" for stage in STAGES]
    assert next(c for c in status["conditions"] if c["type"] == "Succeeded")["status"] == "True"


def test_a_stage_costs_three_writes_and_at_most_two_events():
    """design.md 6: a status that records the attempt, its Job, a status with the Job's uid."""
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    run_to_end(cluster)
    writes = [verb for verb, kind in cluster.writes if kind is not Resource.EVENTS]
    events = [verb for verb, kind in cluster.writes if kind is Resource.EVENTS]
    once = 2 + 1  # Service and NetworkPolicy; the status that says it has ended
    assert len(writes) <= 3 * len(STAGES) + once
    assert len(events) <= 2 * len(STAGES) + 2


@pytest.mark.parametrize("first_seed", range(0, 10, 10))
def test_an_operator_that_is_killed_anywhere_repeats_and_loses_nothing(first_seed: int):
    _crashes(range(first_seed, first_seed + 10))


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(10, 1000, 99))
def test_a_thousand_operators_that_are_killed_anywhere(first_seed: int):
    _crashes(range(first_seed, first_seed + 99))


def _crashes(seeds: range) -> None:
    """Run with an operator that dies again and again, before or after a call took effect."""
    for seed in seeds:
        chance = random.Random(seed)  # a test's own chance
        cluster = MemoryCluster()
        cluster.add_run(a_run())
        for _ in range(300):
            cluster.kill_at = cluster.num_calls + chance.randrange(12)
            cluster.is_applied_before_kill = chance.random() < 0.5
            settle(cluster)
            if status_of(cluster).get("phase") == "Succeeded":
                break
            cluster.tick(1)
        assert states(status_of(cluster)) == dict.fromkeys(STAGES, "Succeeded"), seed
        assert len(launched(cluster)) == len(set(launched(cluster))) == len(STAGES), seed


def test_a_stage_that_fails_is_tried_again_and_then_given_up():
    def fail_training(config: StageConfig) -> tuple[int, Report | None]:
        return (1, None) if config.stage == "train-apm" else succeed(config)

    cluster = MemoryCluster(fail_training)
    cluster.add_run(a_run())
    status = run_to_end(cluster)
    assert status["phase"] == "Failed"
    assert [name.split("-", 2)[2] for name in launched(cluster)] == [
        "prepare-1",
        "train-apm-1",
        "train-apm-2",
        "train-apm-3",
    ]
    assert states(status)["annotate"] == "Skipped"


def test_bad_input_is_not_tried_again_and_its_message_reaches_the_status():
    def refuse(config: StageConfig) -> tuple[int, Report | None]:
        return 11, Report(exit_code=11, message=f"{config.stage}: line 3 is no JSON")

    cluster = MemoryCluster(refuse)
    cluster.add_run(a_run())
    status = run_to_end(cluster)
    assert (status["stages"][0]["reason"], status["stages"][0]["message"]) == (
        "BadInput",
        "prepare: line 3 is no JSON",
    )
    assert len(launched(cluster)) == 1


def test_suspend_deletes_the_job_and_resume_starts_the_next_attempt():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    settle(cluster)
    cluster.change_spec("quickstart", suspend=True)
    settle(cluster)
    cluster.tick()
    assert cluster.objects(Resource.JOBS) == []
    settle(cluster)
    assert status_of(cluster)["phase"] == "Suspended"
    cluster.change_spec("quickstart", suspend=False)
    status = run_to_end(cluster)
    assert status["phase"] == "Succeeded"
    assert launched(cluster)[1].endswith("-prepare-2")
    assert status["stages"][0]["failures"] == status["stages"][0]["disruptions"] == 0


def test_a_job_that_a_user_deletes_is_a_disruption():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    settle(cluster)
    (job,) = cluster.objects(Resource.JOBS)
    metadata = job["metadata"]
    asyncio.run(cluster.delete(Resource.JOBS, "default", metadata["name"], metadata["uid"]))
    status = run_to_end(cluster)
    assert status["phase"] == "Succeeded"
    assert status["stages"][0]["disruptions"] == 1
    assert status["stages"][0]["lastFailures"][0]["reason"] == "JobDeletedExternally"


def test_a_job_of_somebody_else_is_not_adopted():
    cluster = MemoryCluster()
    uid = cluster.add_run(a_run())["metadata"]["uid"]
    foreign = {"metadata": {"name": f"quickstart-{uid[:8]}-prepare-1", "namespace": "default"}}
    cluster.add(Resource.JOBS, foreign)
    settle(cluster)
    prepare = status_of(cluster)["stages"][0]
    assert (prepare["state"], prepare["reason"]) == ("Failed", "JobNameConflict")
    assert status_of(cluster)["phase"] == "Failed"


def test_a_spec_that_no_server_checks_is_refused_in_the_status():
    cluster = MemoryCluster()
    run = a_run()
    run["spec"]["stages"]["evaluate"]["gates"] = [{"metric": "meter/jocks/spearman", "min": "0.8"}]
    cluster.add_run(run)
    settle(cluster)
    status = status_of(cluster)
    accepted = next(c for c in status["conditions"] if c["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "spec.stages.evaluate.gates[0].metric" in accepted["message"]
    assert {c["type"] for c in status["conditions"]} == set(ConditionType)
    assert launched(cluster) == []


def test_a_frozen_run_is_only_watched():
    cluster = MemoryCluster()
    run = a_run()
    run["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    cluster.add_run(run)
    settle(cluster)
    assert cluster.created == []


def test_a_poisoned_status_disturbs_no_other_run():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    other = a_run()
    other["metadata"]["name"] = "poisoned"
    poisoned = cluster.add_run(other)
    poisoned["status"] = {"stages": "none", "phase": 7}
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_a_run_of_another_controller_is_left_alone():
    cluster = MemoryCluster()
    cluster.add_run(a_run(managedBy="example.org/other"))
    settle(cluster)
    assert cluster.created == []


def test_a_run_is_deleted_when_its_time_after_the_end_is_over():
    cluster = MemoryCluster()
    cluster.add_run(a_run(ttlSecondsAfterFinished=3600))
    run_to_end(cluster)
    assert cluster.objects(Resource.RUNS)
    cluster.tick(3601)
    settle(cluster)
    cluster.tick()
    assert cluster.objects(Resource.RUNS) == []


def test_a_job_that_the_server_refuses_is_told_and_tried_again():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    cluster.refusals = 2
    settle(cluster)
    prepare = status_of(cluster)["stages"][0]
    assert (prepare["state"], prepare["reason"]) == ("Queued", "LaunchRefused")
    assert "exceeded quota" in prepare["message"]
    progressing = status_of(cluster)["conditions"][1]
    assert (progressing["type"], progressing["reason"]) == ("Progressing", "LaunchRefused")
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_what_became_of_a_launch_is_told_by_the_same_write_in_all_places():
    refused, taken = MemoryCluster(), MemoryCluster()
    refused.refusals = 1
    uid = taken.add_run(a_run())["metadata"]["uid"]
    refused.add_run(a_run())
    foreign = {"metadata": {"name": f"quickstart-{uid[:8]}-prepare-1", "namespace": "default"}}
    taken.add(Resource.JOBS, foreign)
    for cluster, reason in ((refused, "LaunchRefused"), (taken, "JobNameConflict")):
        settle(cluster)
        told = [status for status in cluster.statuses if status["stages"][0].get("reason")]
        assert told[0]["stages"][0]["reason"] == reason
        assert {status["conditions"][1]["reason"] for status in told} == {reason}
    assert [status["phase"] for status in taken.statuses] == ["Running", "Failed"]
    (failure,) = status_of(taken)["stages"][0]["lastFailures"]
    assert (failure["reason"], failure["attempt"]) == ("JobNameConflict", 1)


def test_a_refused_stop_leaves_in_the_status_why_the_stage_is_to_stop():
    class Undeletable(MemoryCluster):
        async def delete(self, resource: Resource, *_: Any, **__: Any) -> None:
            raise ApiRefusedError(403, "Forbidden", f"{resource} may not be deleted")

    cluster = Undeletable()
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    settle(cluster)
    cluster.change_spec("quickstart", suspend=True)
    num_before = len(cluster.statuses)
    for _ in range(3):
        settle(cluster)
        cluster.now += timedelta(seconds=10)
    told = [status["stages"][0]["reason"] for status in cluster.statuses[num_before:]]
    assert set(told) == {"Suspended"}
    assert len(told) == 1  # nothing is new after that


def test_pods_that_do_not_start_are_given_up_in_time_as_a_disruption():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"podsReadyTimeoutSeconds": 60}))
    cluster.has_nodes = False
    settle(cluster)
    cluster.tick(61)
    settle(cluster)
    cluster.has_nodes = True
    status = run_to_end(cluster)
    prepare = status["stages"][0]
    assert (prepare["attempt"], prepare["disruptions"]) == (2, 1)
    assert prepare["lastFailures"][0]["reason"] == "PodsNotReady"
