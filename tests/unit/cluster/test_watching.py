"""A watch that ends with an error is begun again; too many in a row end the process."""

import asyncio
from datetime import UTC, datetime

import pytest

from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.cluster.watching import MOST_FAILURES, watch_again
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster


class Flaky:
    """A watch that fails so often, and then goes on until it is told to stop."""

    def __init__(self, num_failures: int) -> None:
        self.num_failures, self.num_begun = num_failures, 0
        self.lists: list[float] = []

    async def __call__(self, shell: Shell, stop: asyncio.Event) -> None:
        self.num_begun += 1
        self.lists.append(shell.relisted_at)
        if self.num_begun <= self.num_failures:
            raise ValueError("no JSON")
        stop.set()


def watched(watch: Flaky, figures: Figures, pause_seconds: float = 0.0) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    shell = Shell(MemoryCluster(), StagePodSettings(), lambda: now, figures)
    asyncio.run(watch_again(watch, shell, asyncio.Event(), figures, pause_seconds))


def test_a_watch_that_fails_is_begun_again_after_everything_was_listed():
    watch, figures = Flaky(2), Figures()
    watched(watch, figures)
    assert watch.num_begun == 3
    assert watch.lists[0] == 0.0 < watch.lists[1] <= watch.lists[2]
    assert b"steerlm_failed_watches_total 2.0" in figures.text()


def test_too_many_failures_in_a_row_end_it():
    watch = Flaky(MOST_FAILURES)
    with pytest.raises(ValueError, match="no JSON"):
        watched(watch, Figures())
    assert watch.num_begun == MOST_FAILURES


def test_whoever_is_told_to_stop_between_two_watches_stops():
    figures = Figures()
    shell = Shell(MemoryCluster(), StagePodSettings(), lambda: datetime.now(UTC), figures)
    stop = asyncio.Event()

    async def watch(_shell: Shell, stop: asyncio.Event) -> None:
        stop.set()
        raise ValueError("no JSON")

    asyncio.run(asyncio.wait_for(watch_again(watch, shell, stop, figures, 3600.0), 5))
