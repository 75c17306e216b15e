"""Why pods do not start, asked of the Events about them: a missing Secret, a quota, no node.

A pod's own status says what the scheduler and the image say; the rest stands in Events only.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.reasons import Reason
from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.cluster.attempts import attempts_of
from steerlm_operator.cluster.pods import is_sharded
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.core.observed import Wait

log = logging.getLogger(__name__)
PATIENCE: Final = timedelta(seconds=20)
"""Pods may take so long to start before anybody asks why."""
_REASONS: Final = {
    "FailedMount": Reason.VOLUME_NOT_READY,
    "FailedAttachVolume": Reason.VOLUME_NOT_READY,
    "FailedScheduling": Reason.UNSCHEDULABLE,
    "FailedCreate": Reason.PODS_NOT_CREATED,
}
_MAX_MESSAGE: Final = 500


async def explain_for_ever(
    shell: Shell, api: KubeApi, every_seconds: float, now: Callable[[], datetime]
) -> None:
    """Ask about attempts that wait, from time to time."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await explain(shell, api, now())
        except ApiRefusedError as error:
            log.warning("events: %s", error)


async def explain(shell: Shell, api: KubeApi, now: datetime) -> None:
    """Find out what the attempts wait for that have not started, and look at their runs again.

    Raises:
        ApiRefusedError: The server did not answer.
    """
    for key in shell.cache.keys():  # noqa: SIM118  # no dict
        run = shell.cache.run(key)
        if run is None:
            continue
        uid = run["metadata"]["uid"]
        jobs = [job for job in shell.cache.owned(Resource.JOBS, uid) if _may_wait(job, now)]
        if not jobs:
            continue
        pods = shell.cache.owned(Resource.PODS, uid)
        waiting = {a.uid for a in attempts_of(jobs, pods, {}) if a.is_waiting}
        for job in jobs:
            if job["metadata"]["uid"] in waiting:
                found = await _wait_of(api, job, pods)
                if found is not None and found != shell.waits.get(job["metadata"]["uid"]):
                    shell.waits[job["metadata"]["uid"]] = found
                    shell.queue.add(key)


def _may_wait(job: Object, now: datetime) -> bool:
    """Return False where a look at the Job's pods is not worth it: most attempts just work."""
    status = job.get("status", {})
    wanted = 1 if is_sharded(job) else job["spec"].get("completions", 1)
    is_ready = status.get("ready", 0) >= wanted
    has_begun = is_ready or status.get("succeeded") or status.get("failed")
    has_ended = any(c["type"] != "Suspended" for c in status.get("conditions", []))
    since = status.get("startTime") or job["metadata"]["creationTimestamp"]  # let go by a queue
    return not (has_begun or has_ended) and now - datetime.fromisoformat(since) > PATIENCE


async def _wait_of(api: KubeApi, job: Object, pods: tuple[Object, ...]) -> Wait | None:
    """Return what the newest telling Event about a Job or its pods says."""
    metadata = job["metadata"]
    uids = [metadata["uid"]]
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences", [])
        if any(owner["uid"] == metadata["uid"] for owner in owners):
            uids.append(pod["metadata"]["uid"])
    found = None
    for uid in uids:
        for event in await api.events_about(metadata["namespace"], uid):
            reason = _REASONS.get(event.get("reason", ""))
            if reason is not None:
                found = Wait(reason, event.get("message", "")[:_MAX_MESSAGE])
    return found
