"""What counts as standing still: what was heard and says nothing new, not what nobody can hear."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from steerlm_jobs.contract.report import Progress
from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.progress import _asked, _remember
from steerlm_operator.cluster.shell import Shell
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_forgetting import a_shell, emptied
from tests.scenario.test_operator import a_run, settle, states, status_of

KEY = RunKey("default", "quickstart")
MINUTE = 60
TIMEOUT = 30 * MINUTE


def working(stage: str = "prepare", **spec: Any) -> MemoryCluster:
    """Return a cluster in which a stage works and never ends."""
    cluster = MemoryCluster()
    run = a_run()
    run["spec"]["stages"].update(spec)
    cluster.add_run(run)
    settle(cluster)
    while states(status_of(cluster))[stage] != "Running":
        cluster.tick()
        settle(cluster)
    return cluster


def record(cluster: MemoryCluster, stage: str = "prepare") -> dict[str, Any]:
    return next(s for s in status_of(cluster)["stages"] if s["name"] == stage)


class Operator:
    """A process of the operator; `asks` plays its poller."""

    def __init__(self, cluster: MemoryCluster, shell: Shell, stage: str) -> None:
        self.cluster, self.shell, self.stage = cluster, shell, stage

    def pods(self) -> list[Any]:
        run = self.cluster.object(Resource.RUNS, KEY.name)
        kinds = (Resource.JOBS, Resource.PODS)
        return _asked(*(self.shell.cache.owned(kind, run["metadata"]["uid"]) for kind in kinds))

    async def asks(self, answer: Progress | None) -> None:
        for pod in self.pods():
            _remember(self.shell, pod, answer, self.cluster.now)
        await emptied(self.shell)

    async def waits(self, seconds: float) -> None:
        """Let time pass, and the run be looked at, as the timers of the shell do."""
        self.cluster.now += timedelta(seconds=seconds)
        self.shell.queue.add(KEY)
        await emptied(self.shell)

    def is_stopped(self) -> bool:
        """Tell whether the Job of the stage is deleted, and is so as stalled."""
        name = f"-{self.stage}-1"
        jobs = self.cluster.objects(Resource.JOBS)
        job = next(job for job in jobs if job["metadata"]["name"].endswith(name))
        is_stopped = "deletionTimestamp" in job["metadata"]
        assert (record(self.cluster, self.stage).get("reason") == "Stalled") == is_stopped
        return is_stopped


def played(
    cluster: MemoryCluster, story: Callable[[Operator], Awaitable[None]], stage: str = "prepare"
) -> None:
    """Play a story with a new process of the operator."""

    async def play() -> None:
        shell = await a_shell(cluster)
        await emptied(shell)
        for pod in cluster.objects(Resource.PODS):
            if pod["status"]["phase"] == "Running" and "podIP" not in pod["status"]:
                pod["status"]["podIP"] = "10.0.0.1"
                cluster._touch(Resource.PODS, pod)
        await emptied(shell)
        await story(Operator(cluster, shell, stage))

    asyncio.run(play())


async def works_for_an_hour(operator: Operator) -> None:
    for step in range(120):
        await operator.waits(30)
        await operator.asks(Progress(done=step + 1, total=1000))
    assert not operator.is_stopped()


def test_a_stage_of_which_nobody_ever_hears_is_not_stalled():
    """Stages that the operator cannot reach: their own watchdog ends them."""

    async def story(operator: Operator) -> None:
        for _ in range(80):
            await operator.waits(30)
            await operator.asks(None)
        assert not operator.is_stopped()
        assert record(operator.cluster)["state"] == "Running"

    played(working(), story)


def test_an_operator_that_was_started_anew_ends_no_stage():
    cluster = working()
    played(cluster, works_for_an_hour)

    async def story(operator: Operator) -> None:
        assert not operator.is_stopped()
        await operator.waits(30)
        await operator.asks(Progress(done=121, total=1000))
        await operator.waits(TIMEOUT - 1)
        await operator.asks(Progress(done=121, total=1000))
        assert not operator.is_stopped()

    played(cluster, story)


def test_a_stage_that_an_earlier_operator_heard_has_the_whole_time_to_answer_the_next():
    cluster = working()
    played(cluster, works_for_an_hour)

    async def story(operator: Operator) -> None:
        await operator.waits(30)
        await operator.asks(None)
        await operator.waits(TIMEOUT - 1)
        await operator.asks(None)
        await operator.waits(0)
        assert not operator.is_stopped()
        await operator.waits(1)
        await operator.asks(None)
        await operator.waits(0)
        assert operator.is_stopped()

    played(cluster, story)


def test_a_stage_that_answered_and_then_stands_still_or_is_silent_is_stalled():
    for answer in (Progress(done=1, total=10), None):

        async def story(operator: Operator, answer: Progress | None = answer) -> None:
            await operator.asks(Progress(done=1, total=10))
            await operator.waits(TIMEOUT - 1)
            await operator.asks(answer)
            assert not operator.is_stopped()
            await operator.waits(1)
            await operator.asks(answer)
            await operator.waits(0)
            assert operator.is_stopped()

        played(working(), story)


def test_an_operator_that_was_at_rest_asks_once_more_before_it_judges():
    """A process that was stopped, or its machine asleep: its timers end before its poller asks."""

    async def story(operator: Operator) -> None:
        await operator.asks(Progress(done=1, total=10))
        await operator.waits(TIMEOUT + 3600)
        assert not operator.is_stopped()
        await operator.asks(Progress(done=9, total=10))
        await operator.waits(10)
        assert not operator.is_stopped()

    played(working(), story)


def test_shards_go_on_when_the_first_has_ended():
    cluster = working("annotate", annotate={"shards": 2})

    async def story(operator: Operator) -> None:
        first, second = cluster.objects(Resource.PODS)[-2:]
        assert [pod["metadata"]["uid"] for pod in operator.pods()] == [first["metadata"]["uid"]]
        await operator.asks(Progress(done=5, total=10))
        first["status"]["phase"] = "Succeeded"
        cluster._touch(Resource.PODS, first)
        await operator.waits(TIMEOUT)
        assert [pod["metadata"]["uid"] for pod in operator.pods()] == [second["metadata"]["uid"]]
        await operator.asks(None)  # nobody has heard it yet
        assert not operator.is_stopped()
        await operator.waits(TIMEOUT)
        await operator.asks(None)
        assert not operator.is_stopped()
        await operator.asks(Progress(done=5, total=10))
        assert not operator.is_stopped()
        await operator.waits(TIMEOUT)
        await operator.asks(None)
        await operator.waits(0)
        assert operator.is_stopped()

    played(cluster, story, "annotate")


def test_rank_0_speaks_for_its_gang():
    cluster = working("train-apm", trainApm={"nodes": 2})

    async def story(operator: Operator) -> None:
        first, _ = cluster.objects(Resource.PODS)[-2:]
        assert [pod["metadata"]["uid"] for pod in operator.pods()] == [first["metadata"]["uid"]]
        first["status"]["phase"] = "Failed"
        cluster._touch(Resource.PODS, first)
        await emptied(operator.shell)
        assert operator.pods() == []

    played(cluster, story, "train-apm")
