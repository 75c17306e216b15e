"""An operator older than the status that it finds: nothing that has been done is repeated."""

import asyncio
from copy import deepcopy
from typing import Any

from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, states, status_of

NEWER = {"attempt": 1, "reason": "FromANewerOperator", "mood": "bad"}


def ended() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    assert run_to_end(cluster)["phase"] == "Succeeded"
    return cluster


def edit(cluster: MemoryCluster, **changes: Any) -> dict[str, Any]:
    """Change the record of the first stage as another operator would; return the whole status."""
    run = cluster.object(Resource.RUNS, "quickstart")
    run["status"]["stages"][0].update(changes)
    cluster._touch(Resource.RUNS, run)
    return deepcopy(run["status"])


def test_a_run_that_has_ended_is_not_begun_again_for_an_unknown_reason():
    cluster = ended()
    before = launched(cluster)
    edit(cluster, lastFailures=[NEWER], mood="good")
    settle(cluster)
    assert launched(cluster) == before
    assert status_of(cluster)["phase"] == "Succeeded"


def test_a_run_in_training_goes_on_beside_no_second_job():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    while states(status_of(cluster) or {"stages": []}).get("train-acsft") != "Running":
        settle(cluster)
        cluster.tick()
        settle(cluster)
    before = launched(cluster)
    edit(cluster, lastFailures=[NEWER])
    settle(cluster)
    assert launched(cluster) == before
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_a_run_whose_status_cannot_be_read_is_left_alone_and_that_is_told_once():
    cluster = ended()
    calls = len(cluster.writes)
    status = edit(cluster, state="Dreaming")
    key = RunKey("default", "quickstart")

    async def story() -> None:
        shell = Shell(cluster, StagePodSettings(), cluster.clock, Figures())
        await shell.relist()
        for _ in range(3):
            shell.queue.add(key)
            await shell.work_once()
        await shell.untold.tell_all()

    asyncio.run(story())
    assert status_of(cluster) == status
    assert cluster.writes[calls:] == [("create", Resource.EVENTS)]
    told = cluster.objects(Resource.EVENTS)[-1]
    assert (told["reason"], told["type"]) == ("StatusUnreadable", "Warning")
    assert "status.stages.0.state" in told["message"]
