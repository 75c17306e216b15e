"""How far stages are, asked of their pods; a look that fails changes nothing but a metric."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Final

import aiohttp
from pydantic import ValidationError

from steerlm_jobs.contract.report import Progress
from steerlm_operator.cluster.api import Object, Resource
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.pauses import draw_of, spread_seconds
from steerlm_operator.cluster.pods import INDEX_LABEL
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render import mounts
from steerlm_operator.render.names import RUN_UID_LABEL, STAGE_LABEL

log = logging.getLogger(__name__)
_MAX_BYTES: Final = 8192
_MOST: Final = 2**53
"""The API server takes no whole number above an int64, and no status that holds one."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)
AT_ONCE: Final = 100
"""Pods that are asked at the same time: the second of each begins when it is its turn."""


async def poll_for_ever(
    shell: Shell, figures: Figures, every_seconds: float, now: Callable[[], datetime]
) -> None:
    """Ask index 0 of every running attempt, from time to time."""
    connector = aiohttp.TCPConnector(limit=0)  # waiting for a place there would use up the second
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
        for number in count():
            await asyncio.sleep(spread_seconds(every_seconds, draw_of(number)))
            await poll(shell, session, figures, now)


async def poll(
    shell: Shell,
    session: aiohttp.ClientSession,
    figures: Figures,
    now: Callable[[], datetime],
    at_once: int = AT_ONCE,
) -> None:
    """Ask index 0 of every running attempt once, and look at the runs that have moved on."""
    places = asyncio.Semaphore(at_once)
    pods = [
        pod
        for key in shell.cache.keys()  # noqa: SIM118  # no dict
        if (run := shell.cache.run(key)) is not None
        for pod in shell.cache.owned(Resource.PODS, run["metadata"]["uid"])
        if _is_asked(pod)
    ]
    found = await asyncio.gather(*(_in_turn(places, session, pod) for pod in pods))
    for pod, progress in zip(pods, found, strict=True):
        if progress is None:
            figures.failed_polls.inc()
        else:
            _remember(shell, pod, progress, now())


async def _in_turn(
    places: asyncio.Semaphore, session: aiohttp.ClientSession, pod: Object
) -> Progress | None:
    async with places:
        return await _ask(session, pod)


async def _ask(session: aiohttp.ClientSession, pod: Object) -> Progress | None:
    address = f"http://{pod['status']['podIP']}:{mounts.PORT}/progress"
    try:
        async with session.get(address, allow_redirects=False) as answer:
            text = await answer.content.read(_MAX_BYTES + 1)
            if answer.status != 200 or len(text) > _MAX_BYTES:
                return None
        progress = Progress.model_validate_json(text)
    except (aiohttp.ClientError, TimeoutError, ValidationError):
        return None
    numbers = (progress.done, progress.total, progress.checkpoint_step, progress.ticks)
    return progress if all(0 <= number <= _MOST for number in numbers) else None


def _remember(shell: Shell, pod: Object, progress: Progress, now: datetime) -> None:
    owners = pod["metadata"].get("ownerReferences", [])
    uid = next((owner["uid"] for owner in owners if owner.get("controller")), "")
    known = shell.progress.get(uid)
    if known is None or known[0] != progress:
        shell.progress[uid] = (progress, now)
        key = shell.cache.key_of(pod["metadata"].get("labels", {}).get(RUN_UID_LABEL, ""))
        if key is not None:  # not `saw`: the pod may be gone since it was asked
            shell.queue.add(key)


def _is_asked(pod: Mapping[str, object]) -> bool:
    metadata, status = pod["metadata"], pod.get("status", {})
    if not isinstance(metadata, dict) or not isinstance(status, dict):
        return False
    labels = metadata.get("labels", {})
    is_first = STAGE_LABEL in labels and labels.get(INDEX_LABEL, "0") == "0"
    return is_first and status.get("phase") == "Running" and bool(status.get("podIP"))
