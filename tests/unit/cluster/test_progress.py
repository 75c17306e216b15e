"""Asking pods how far they are: what they answer may be anything, and harms nothing."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from steerlm_jobs.contract.report import Progress
from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.progress import poll
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render import mounts
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster
from tests.unit.cluster.objects import a_job, a_pod, a_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = int(IPv4Address(f"127.{100 + os.getpid() // 256 % 100}.{os.getpid() % 256}.1"))
"""Addresses of this process alone: the port is the same everywhere, and tests run side by side."""
TOLD = Progress(done=3, total=10)
Answer = Callable[[web.Request], Any]


async def good(_request: web.Request) -> web.Response:
    return web.Response(text=TOLD.model_dump_json(by_alias=True))


async def too_long(_request: web.Request) -> web.Response:
    return web.Response(text=TOLD.model_dump_json(by_alias=True) + " " * 9000)


async def nonsense(_request: web.Request) -> web.Response:
    return web.Response(text='{"done": "many"}')


async def beyond_measure(_request: web.Request) -> web.Response:
    return web.Response(text=f'{{"done": 1, "total": {10**30}}}')


async def elsewhere(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/good")


async def silent(_request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


def polled(
    answer: Answer, num_pods: int = 1, at_once: int = 1
) -> tuple[dict[str, Progress], float, list[Any]]:
    """Return what is known of each Job after one poll, how many failed, and who was looked at."""
    figures = Figures()
    shell = Shell(MemoryCluster(), StagePodSettings(), lambda: NOW, figures)
    shell.saw(Resource.RUNS, a_run(), is_gone=False)
    addresses = [str(IPv4Address(FIRST + number)) for number in range(num_pods)]
    for number, address in enumerate(addresses):
        job = a_job(attempt=number + 1)
        pod = a_pod(job)
        pod["status"]["podIP"] = address
        shell.saw(Resource.PODS, pod, is_gone=False)
        asyncio.run(_emptied(shell))

    async def story() -> None:
        app = web.Application()
        app.add_routes([web.get("/progress", answer), web.get("/good", good)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        for address in addresses:
            await web.TCPSite(runner, address, mounts.PORT).start()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=0.3)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await poll(shell, session, figures, lambda: NOW, at_once)
        await runner.cleanup()

    asyncio.run(story())
    known = {uid: found.progress for uid, found in shell.progress.items() if found.progress}
    return known, figures.failed_polls._value.get(), asyncio.run(_emptied(shell))


async def _emptied(shell: Shell) -> list[Any]:
    found = []
    while len(shell.queue):
        key = await shell.queue.get()
        shell.queue.done(key)
        found.append(key.name)
    return found


def test_what_a_pod_answers_is_known_of_its_job_and_its_run_is_looked_at():
    assert polled(good) == ({"job-prepare-1": TOLD}, 0, ["r"])


@pytest.mark.parametrize("answer", [too_long, nonsense, beyond_measure, elsewhere, silent])
def test_what_is_no_answer_changes_nothing_but_a_metric(answer: Answer):
    assert polled(answer) == ({}, 1, [])


def test_pods_that_do_not_answer_take_no_time_from_those_that_do():
    """As many as are asked at once are silent: the others have their turn, and their second."""
    asked: list[str] = []

    async def some(request: web.Request) -> web.Response:
        asked.append(request.host)
        return await (silent if len(asked) <= 2 else good)(request)

    known, failed, _ = polled(some, num_pods=4, at_once=2)
    assert (len(known), failed) == (2, 2)
