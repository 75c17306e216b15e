"""A run that cannot go on is tried again ever more slowly, whatever the cause and its echo are."""

import asyncio
from typing import Any

from steerlm_operator.cluster.api import ApiRefusedError, Object, Resource
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.core.writing import PROGRESS_PAUSE
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import Killed, MemoryCluster
from tests.scenario.test_operator import a_run, settle, status_of

KEY = RunKey("default", "quickstart")
MOST_TRIES = 20
"""Then the operator is killed: it would try for ever."""


class Webhook(MemoryCluster):
    """Refuses each Job in other words."""

    num_refusals = 0

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        if resource is not Resource.JOBS:
            return await super().create(resource, namespace, body)
        self.num_refusals += 1
        if self.num_refusals > MOST_TRIES:
            raise Killed
        raise ApiRefusedError(403, "Forbidden", f"denied: request {self.num_refusals}")


def a_shell(cluster: MemoryCluster, *watched: Resource) -> Shell:
    """Return an operator that sees the changes of some kinds."""
    shell = Shell(cluster, StagePodSettings(), cluster.clock, Figures())

    def watch(resource: Resource, found: dict[str, Any], is_gone: bool) -> None:  # noqa: FBT001  # as the Protocol has it
        if resource in watched:
            shell.saw(resource, found, is_gone=is_gone)

    cluster.watchers = [watch]
    return shell


def test_the_echo_of_the_status_that_tells_of_a_refusal_is_not_the_next_try():
    cluster = Webhook()
    cluster.add_run(a_run())
    assert settle(cluster)
    assert cluster.num_refusals == 1
    assert "request 1" in status_of(cluster)["stages"][0]["message"]


def test_what_a_user_changes_after_a_refusal_is_looked_at_at_once():
    cluster = Webhook()
    cluster.add_run(a_run())

    async def story() -> int:
        shell = a_shell(cluster, Resource.RUNS)
        await shell.relist()
        await shell.work_once()
        assert len(shell.queue) == 0
        cluster.change_spec("quickstart", suspend=True)
        return len(shell.queue)

    assert asyncio.run(story()) == 1


def test_what_a_user_changes_while_the_server_refuses_is_looked_at_at_once():
    class Meanwhile(Webhook):
        async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
            if resource is Resource.JOBS:
                self.change_spec("quickstart", suspend=True)
            return await super().create(resource, namespace, body)

    cluster = Meanwhile()
    cluster.add_run(a_run())
    assert settle(cluster)
    assert status_of(cluster)["phase"] == "Suspended"


def test_other_words_of_the_same_refusal_are_written_once_a_minute():
    cluster = Webhook()
    cluster.add_run(a_run())

    async def story() -> list[int]:
        shell = a_shell(cluster, Resource.RUNS)
        await shell.relist()
        writes = []
        for seconds in (0, 0, 0, 1, 1, PROGRESS_PAUSE.total_seconds()):
            cluster.tick(seconds)
            before = len(cluster.writes)
            await shell.look_at(KEY)
            writes.append([kind for _, kind in cluster.writes[before:]].count(Resource.RUNS))
        return writes

    # the attempt and the refusal; its other words; three times nothing; they again
    assert asyncio.run(story()) == [2, 1, 0, 0, 0, 1]


def test_a_conflict_that_lasts_is_tried_again_ever_more_slowly():
    """The watch of runs is down: the newer version that we wait for does not come."""
    cluster = MemoryCluster()
    cluster.add_run(a_run())

    async def story() -> list[float]:
        shell = a_shell(cluster)
        await shell.relist()
        cluster.change_spec("quickstart", ttlSecondsAfterFinished=1)
        now = asyncio.get_running_loop().time()
        pauses = []
        for _ in range(5):
            await shell.look_at(KEY)
            pauses.append(shell.queue._timers[KEY][0] - now)
        shell.queue.forget(KEY)
        return pauses

    first, *others = asyncio.run(story())
    assert first < 0.3
    assert others[0] > 0.5
    assert others[-1] > 5
