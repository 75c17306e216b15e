"""How far stages are, asked of their pods; a look that fails changes nothing but a metric."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Final

import aiohttp
from pydantic import ValidationError

from steerlm_jobs.contract.report import Progress
from steerlm_operator.cluster.api import Object, Resource
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.pauses import draw_of, spread_seconds
from steerlm_operator.cluster.pods import Heard, index_of, is_sharded
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render import mounts
from steerlm_operator.render.names import RUN_UID_LABEL, STAGE_LABEL

log = logging.getLogger(__name__)
_MAX_BYTES: Final = 8192
_MOST: Final = 2**53
"""The API server takes no whole number above an int64, and no status that holds one."""
_READ: Final = (Resource.JOBS, Resource.PODS)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)
AT_ONCE: Final = 100
"""Pods that are asked at the same time: the second of each begins when it is its turn."""


async def poll_for_ever(
    shell: Shell, figures: Figures, every_seconds: float, now: Callable[[], datetime]
) -> None:
    """Ask a pod of every running attempt, from time to time."""
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
    """Ask a pod of every running attempt once, and look at the runs that have moved on."""
    places = asyncio.Semaphore(at_once)
    pods = [
        pod
        for key in shell.cache.keys()  # noqa: SIM118  # no dict
        if (run := shell.cache.run(key)) is not None
        for pod in _asked(*(shell.cache.owned(kind, run["metadata"]["uid"]) for kind in _READ))
    ]
    found = await asyncio.gather(*(_in_turn(places, session, pod) for pod in pods))
    for pod, progress in zip(pods, found, strict=True):
        if progress is None:
            figures.failed_polls.inc()
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


def _remember(shell: Shell, pod: Object, progress: Progress | None, now: datetime) -> None:
    uid, known = _job_of(pod), shell.progress.get(_job_of(pod))
    key = shell.cache.key_of(pod["metadata"].get("labels", {}).get(RUN_UID_LABEL, ""))
    heard = _heard(known, pod, progress, now)
    if known is None and progress is None and key is not None and index_of(pod) == 0:
        since = now if _was_heard_before(shell.cache.run(key), uid) else None
        heard = replace(heard, still_since=since)
    shell.progress[uid] = heard
    if heard.still_since == now and key is not None:
        shell.queue.add(key)  # not `saw`: the pod may be gone since it was asked


def _heard(known: Heard | None, pod: Object, progress: Progress | None, now: datetime) -> Heard:
    """Return what is known after a pod was asked; `progress` is None if it did not answer."""
    asked = pod["metadata"]["uid"]
    before = known if known is not None and known.pod == asked else None
    if progress is None and before is not None:
        return replace(before, asked_at=now)
    if progress is None:  # what another pod has said is still shown, and says nothing of this one
        return Heard(asked, now, None, None if known is None else known.progress)
    if before is not None and before.still_since is not None and before.progress == progress:
        return replace(before, asked_at=now)
    return Heard(asked, now, now, progress)


def _was_heard_before(run: Object | None, job_uid: str) -> bool:
    """Return True if an earlier process of the operator has recorded progress of this Job."""
    stages = {} if run is None else run.get("status", {}).get("stages", [])
    return any(stage.get("jobUid") == job_uid and stage.get("progress") for stage in stages)


def _asked(jobs: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """Return the pod of each attempt that is asked: of a gang the first, else the first that runs.

    Rank 0 speaks for its gang; shards work, and end, each for itself. One that was told to end is
    asked only if there is no other.
    """
    sharded = {job["metadata"]["uid"] for job in jobs if is_sharded(job)}
    by_job: dict[str, list[Object]] = {}
    for pod in pods:
        if _is_asked(pod) and (index_of(pod) == 0 or _job_of(pod) in sharded):
            by_job.setdefault(_job_of(pod), []).append(pod)
    return [min(found, key=_order) for found in by_job.values()]


def _order(pod: Object) -> tuple[bool, int]:
    return "deletionTimestamp" in pod["metadata"], index_of(pod)


def _job_of(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _is_asked(pod: Mapping[str, object]) -> bool:
    metadata, status = pod["metadata"], pod.get("status", {})
    if not isinstance(metadata, dict) or not isinstance(status, dict):
        return False
    is_of_stage = STAGE_LABEL in metadata.get("labels", {})
    return is_of_stage and status.get("phase") == "Running" and bool(status.get("podIP"))
