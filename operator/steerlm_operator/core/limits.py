"""Until when an attempt must have started, moved on, or ended. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import StageState, StageStatus
from steerlm_operator.core.graph import Stage, StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Observed
from steerlm_operator.core.policies import pods_ready_timeout, stall_timeout

_ASKED_AGAIN: Final = timedelta(seconds=10)
"""So much later it is looked whether an attempt that seems to stand still was asked once more."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When an attempt has taken too long for its next sign of life, and what that is called."""

    at: datetime
    reason: Reason
    message: str = ""


def limit_of(observed: Observed, stage: Stage, record: StageStatus, now: datetime) -> Limit | None:
    """Return until when the attempt must have started, moved on, or ended if it was told to.

    None while a queue holds it.
    """
    attempt = observed.attempt(stage.id, record.attempt)
    if attempt is None or attempt.is_held:
        return None
    if attempt.state is not AttemptState.ACTIVE and not attempt.is_probed:
        return None
    given_up_at = lost_at(observed, record)
    if given_up_at is not None:
        where = f"its pod on node {attempt.stuck_node} did not end"
        return Limit(given_up_at, Reason.NODE_LOST, f"{where}: the node does not answer")
    return _time_out(attempt, record, stage, observed.run.spec, now)


def _time_out(
    attempt: Attempt, record: StageStatus, stage: Stage, spec: RunSpec, now: datetime
) -> Limit | None:
    """Return until when an attempt must have started, or moved on since it was last heard.

    One that was never heard is not stalled for us: a training has a watchdog of its own. Nor is one
    that was not asked again after its time, by an operator that was itself at rest, say.
    """
    if attempt.is_probed:
        since = attempt.probe_waits_since
        late = None if since is None else since + pods_ready_timeout(spec, stage)
        return None if late is None else Limit(late, Reason.PODS_NOT_READY)
    if attempt.started_at is None:
        has_run = record.state is StageState.RUNNING  # shards, of which none works any more
        since = attempt.waits_since if has_run else attempt.created_at
        ready_by = None if since is None else since + pods_ready_timeout(spec, stage)
        return None if ready_by is None else Limit(ready_by, Reason.PODS_NOT_READY)
    if attempt.progressed_at is None:
        return None
    due_at = max(attempt.progressed_at, attempt.started_at) + stall_timeout(spec, stage)
    is_asked = attempt.asked_at is None or attempt.asked_at >= due_at
    is_open = due_at <= now and not is_asked
    return Limit(now + _ASKED_AGAIN if is_open else due_at, Reason.STALLED)


def lost_at(observed: Observed, record: StageStatus) -> datetime | None:
    """Return when the node of a pod that was told to end counts as lost; None: none is ending."""
    attempt = observed.attempt(StageId(record.name), record.attempt)
    if attempt is None or attempt.stuck_since is None:
        return None
    return attempt.stuck_since + observed.stuck_patience
