"""How long a run has been running: neither suspended nor queued."""

from datetime import datetime, timedelta

from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.core.records import IN_FLIGHT, Records


def ended_seconds(status: RunStatus | None, before: Records, after: Records) -> float:
    """Return the time of all attempts that have ended, those of this pass included."""
    recorded = 0.0 if status is None else status.active_seconds
    return recorded + sum(
        _seconds_of(before[stage], record)
        for stage, record in after.items()
        if _has_ended(before[stage], record)
    )


def running_seconds(records: Records, now: datetime) -> float:
    """Return for how long the attempts that run now have been running."""
    return sum(
        max(timedelta(), now - record.start_time).total_seconds()
        for record in records.values()
        if record.state is StageState.RUNNING and record.start_time is not None
    )


def _has_ended(before: StageStatus, after: StageStatus) -> bool:
    """Tell whether an attempt ran before and does not now: it ended, or its queue preempted it."""
    if before.state is StageState.RUNNING and after.state is StageState.QUEUED:
        return True
    return before.state in IN_FLIGHT and after.state not in IN_FLIGHT


def _seconds_of(before: StageStatus, after: StageStatus) -> float:
    """Return for how long the attempt ran that has just stopped to.

    The record of a preempted one no longer says since when: its wait in the queue does not count.
    """
    since = before.start_time if after.state is StageState.QUEUED else after.start_time
    if since is None or after.completion_time is None:
        return 0.0
    return max(timedelta(), after.completion_time - since).total_seconds()
