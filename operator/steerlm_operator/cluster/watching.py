"""Watching again when a watch has ended with an error: the operator goes on with what it knows.

kopf ends for good with the first line of a stream that is no JSON and with the first error of the
server in it that is not "too old". A new process would take the kubelet's ever longer pauses, and
all runs would stand still meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from steerlm_operator.cluster.api import ApiRefusedError
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell

log = logging.getLogger(__name__)

Watch = Callable[[Shell, asyncio.Event], Awaitable[None]]
MOST_FAILURES: Final = 6
"""In a row; then the process ends, for it seems to be its own fault."""
HELD_SECONDS: Final = 60.0
"""A watch that has held so long was a good one."""


async def watch_again(
    watch: Watch, shell: Shell, stop: asyncio.Event, figures: Figures, pause_seconds: float = 1.0
) -> None:
    """Watch until told to stop, or until the watch ends by itself.

    Args:
        watch: Ends with an error when it cannot go on.
        shell: Is told what is seen, and lists anew what the watch has missed.
        stop: Set: to end.
        figures: Count the errors.
        pause_seconds: Before the second try; doubled before each further one.

    Raises:
        Exception: What ended the last watch of too many in a row.
    """
    clock = asyncio.get_running_loop().time
    num_failures = 0
    while True:
        began = clock()
        try:
            await watch(shell, stop)
        except Exception as error:  # whatever kopf did not survive
            num_failures = 1 if clock() - began > HELD_SECONDS else num_failures + 1
            if num_failures >= MOST_FAILURES:
                raise
            figures.failed_watches.inc()
            seconds = pause_seconds * (1 << (num_failures - 1))
            log.warning("a watch ended: %r; watching again in %.0f s", error, seconds)
        else:
            return
        if await _is_set_within(stop, seconds):
            return
        await _listed(shell)


async def _is_set_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _listed(shell: Shell) -> None:
    """List anew: what vanished meanwhile, no new watch tells."""
    try:
        await shell.relist()
    except ApiRefusedError as error:
        log.warning("relist: %s", error)
