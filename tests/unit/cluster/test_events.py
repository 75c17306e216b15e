"""Telling of what has happened: it may take its time, or fail, and nothing else does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from steerlm_operator.cluster import process
from steerlm_operator.cluster.api import ApiRefusedError, Object, Resource
from steerlm_operator.cluster.events import AT_ONCE, Untold
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.core.happenings import Happening
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunIdentity("ml", "r", "0123456789")


class Server(MemoryCluster):
    """Takes an Event when it is let, and keeps what it says."""

    def __init__(self, answer: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.taken: list[str] = []
        self._answer = answer

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        if resource is Resource.EVENTS:
            await self._answer()
            self.taken.append(body["message"])
        return await super().create(resource, namespace, body)


async def at_once() -> None: ...


async def never() -> None:
    await asyncio.Event().wait()


async def garbled() -> None:
    raise ValueError("Expecting value: line 1 column 1 (char 0)")


async def refused() -> None:
    raise ApiRefusedError(403, "Forbidden", "the namespace is being deleted")


def happenings(*messages: str) -> list[Happening]:
    return [Happening("StageRunning", message) for message in messages]


def lost(figures: Figures) -> float:
    return float(figures.lost_events._value.get())


def test_all_that_has_happened_is_told():
    words = [str(number) for number in range(3 * AT_ONCE)]
    server = Server(at_once)
    untold = Untold(server, Figures())
    untold.add(RUN, happenings(*words), NOW)
    asyncio.run(untold.tell_all())
    assert server.taken == words


def test_the_oldest_give_way_when_too_many_wait():
    server, figures = Server(at_once), Figures()
    untold = Untold(server, figures, most=3)
    untold.add(RUN, happenings("a", "b", "c", "d", "e"), NOW)
    asyncio.run(untold.tell_all())
    assert (server.taken, lost(figures)) == (["c", "d", "e"], 2)


@pytest.mark.parametrize("answer", [garbled, refused])
def test_an_event_that_is_not_taken_is_counted_and_the_next_one_is_told(
    answer: Callable[[], Awaitable[None]],
):
    answers = iter([answer, at_once])

    async def bad_then_good() -> None:
        await next(answers)()

    server, figures = Server(bad_then_good), Figures()
    untold = Untold(server, figures)

    async def story() -> bool:
        telling = asyncio.create_task(untold.tell_for_ever())
        for message in ("a", "b"):
            untold.add(RUN, happenings(message), NOW)
            await untold.told()
        is_over = telling.done()
        telling.cancel()
        return is_over

    assert asyncio.run(story()) is False
    assert (server.taken, lost(figures)) == (["b"], 1)


def test_no_run_waits_for_an_event_that_is_not_answered():
    server = Server(never)
    for number in range(20):
        run = a_run()
        run["metadata"]["name"] = f"r{number}"
        server.add_run(run)

    async def story() -> None:
        shell = Shell(server, StagePodSettings(), server.clock, Figures())
        await shell.relist()
        telling = asyncio.create_task(shell.untold.tell_for_ever())
        while len(shell.queue):
            await shell.work_once()
        telling.cancel()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert len(server.objects(Resource.JOBS)) == 20
    assert server.taken == []


@pytest.mark.parametrize(("answer", "taken"), [(at_once, ["a", "b"]), (never, [])])
def test_an_operator_that_ends_tells_what_it_can_in_a_moment(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Awaitable[None]], taken: list[str]
):
    monkeypatch.setattr(process, "_LAST_WORDS_SECONDS", 60.0 if taken else 0.01)
    server = Server(answer)
    shell = Shell(server, StagePodSettings(), server.clock, Figures())

    async def story() -> bool:
        telling = asyncio.create_task(shell.untold.tell_for_ever())
        shell.untold.add(RUN, happenings("a", "b"), NOW)
        await process._last_words(shell, telling)
        return telling.done()

    assert asyncio.run(asyncio.wait_for(story(), 30)) is True
    assert server.taken == taken
