"""/livez: what stands still, and what a probe of the kubelet is told."""

import asyncio

import aiohttp
import pytest

from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.health import Health, serve_health
from steerlm_operator.cluster.liveness import (
    MAX_PASS_SECONDS,
    MISSED_RELISTS,
    SignsOfLife,
    what_stalls,
)
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster

EVERY = 300.0
NOW = 10_000.0


def test_an_operator_that_lists_and_whose_passes_end_is_alive():
    signs = SignsOfLife(NOW - MISSED_RELISTS * EVERY, (("ml/a", NOW - MAX_PASS_SECONDS),))
    assert what_stalls(signs, EVERY, NOW) == ""


def test_a_relist_that_is_long_overdue_is_a_stall():
    signs = SignsOfLife(NOW - MISSED_RELISTS * EVERY - 1)
    assert what_stalls(signs, EVERY, NOW) == (
        "relist: the last good one was 901 s ago; one is due every 300 s"
    )


def test_the_pass_that_takes_longest_is_named():
    long_ago = NOW - MAX_PASS_SECONDS - 5
    signs = SignsOfLife(NOW, (("ml/a", NOW - 1), ("ml/b", long_ago), ("ml/c", long_ago + 1)))
    assert what_stalls(signs, EVERY, NOW) == "queue: a worker has looked at ml/b for 605 s"


@pytest.mark.parametrize(("stalled", "status"), [("", 200), ("relist: overdue", 503)])
def test_the_probe_is_refused_with_what_stalls(stalled: str, status: int):
    async def asked() -> tuple[int, str]:
        runner = await serve_health(
            Health(lambda: True, lambda: stalled, Figures()), "127.0.0.1", 0
        )
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/livez"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status, await answer.text()
        finally:
            await runner.cleanup()

    assert asyncio.run(asked()) == (status, f"{stalled or 'ok'}\n")


def test_a_pass_that_hangs_shows_and_one_that_has_ended_does_not():
    async def seen() -> tuple[list[str], list[str]]:
        cluster = MemoryCluster()
        shell = Shell(cluster, StagePodSettings(), cluster.clock, Figures())
        await shell.relist()
        going_on, ends = asyncio.Event(), asyncio.Event()

        async def hang(_key: RunKey) -> None:
            going_on.set()
            await ends.wait()

        shell._look_at = hang  # type: ignore[method-assign]  # a server that never answers
        task = asyncio.create_task(shell.look_at(RunKey("ml", "a")))
        await going_on.wait()
        during = [name for name, _ in shell.signs_of_life().passes]
        ends.set()
        await task
        return during, [name for name, _ in shell.signs_of_life().passes]

    assert asyncio.run(seen()) == (["ml/a"], [])
