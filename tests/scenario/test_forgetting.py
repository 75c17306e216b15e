"""What an operator no longer needs: it neither keeps it nor brings it back."""

import asyncio

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Progress, Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.pods import Heard
from steerlm_operator.cluster.progress import _remember
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.core.observed import Wait
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, launched, run_to_end, settle

KEY = RunKey("default", "quickstart")


def working() -> MemoryCluster:
    """Return a cluster whose first stage runs."""
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    settle(cluster)
    cluster.tick()
    return cluster


async def emptied(shell: Shell) -> None:
    while len(shell.queue):
        await shell.work_once()


async def a_shell(cluster: MemoryCluster) -> Shell:
    shell = Shell(cluster, StagePodSettings(), cluster.clock, Figures())
    cluster.watchers = [lambda kind, found, is_gone: shell.saw(kind, found, is_gone=is_gone)]
    await shell.relist()
    await emptied(shell)
    return shell


def delete(cluster: MemoryCluster) -> None:
    cluster._mark(Resource.RUNS, cluster.object(Resource.RUNS, "quickstart"))
    for _ in range(4):
        cluster.tick()
    assert cluster.objects(Resource.PODS) == cluster.objects(Resource.RUNS) == []


def test_the_answer_of_a_pod_that_is_gone_does_not_bring_it_back():
    cluster = working()

    async def story() -> None:
        shell = await a_shell(cluster)
        uid = cluster.object(Resource.RUNS, "quickstart")["metadata"]["uid"]
        (pod,) = shell.cache.owned(Resource.PODS, uid)  # it is asked
        cluster._remove(Resource.PODS, cluster.objects(Resource.PODS)[0])
        await emptied(shell)
        _remember(shell, pod, Progress(done=1, total=2), cluster.now)
        assert shell.cache.owned(Resource.PODS, uid) == ()
        assert len(shell.queue) == 1  # its run is looked at, whatever has become of it

    asyncio.run(story())


def with_words(cluster: MemoryCluster, shell: Shell) -> None:
    (job,) = cluster.objects(Resource.JOBS)
    uid = job["metadata"]["uid"]
    shell.progress[uid] = Heard("pod", cluster.now, cluster.now, Progress(done=1, total=2))
    shell.waits[uid] = Wait(Reason.UNSCHEDULABLE, "no node")


def test_what_was_said_of_a_job_goes_with_it():
    cluster = working()

    async def story() -> None:
        shell = await a_shell(cluster)
        with_words(cluster, shell)
        delete(cluster)
        assert (shell.progress, shell.waits) == ({}, {})

    asyncio.run(story())


def test_a_run_that_vanished_while_nobody_watched_is_forgotten():
    cluster = working()

    async def story() -> None:
        shell = await a_shell(cluster)
        with_words(cluster, shell)
        cluster.watchers = []
        delete(cluster)
        assert KEY in shell._around.reader._runs
        await shell.relist()
        await emptied(shell)
        assert (shell.progress, shell.waits, shell.cache.num_runs()) == ({}, {}, 0)
        assert KEY not in shell._around.reader._runs
        assert KEY not in shell._around.written

    asyncio.run(story())


def test_of_a_stage_that_fails_again_and_again_three_failed_jobs_stay():
    attempts: list[str] = []

    def work(config: StageConfig) -> tuple[int, Report | None]:
        attempts.append(config.stage)
        is_interrupted = config.stage == "prepare" and len(attempts) <= 6
        return (21, Report(exit_code=21)) if is_interrupted else succeed(config)

    cluster = MemoryCluster(work)
    cluster.add_run(a_run())
    status = run_to_end(cluster, rounds=200)
    assert status["phase"] == "Succeeded"
    cluster.tick()
    kept = [job["metadata"]["name"] for job in cluster.objects(Resource.JOBS)]
    prepared = [name for name in launched(cluster) if "-prepare-" in name]
    assert len(prepared) == 7
    assert [name for name in kept if name in prepared] == prepared[3:]
    assert len(kept) == len(launched(cluster)) - 3
