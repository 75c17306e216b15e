"""Looking at a run anew: `spec.retry.count` on a failed run, or `steerlm run` once more."""

from datetime import datetime

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageState
from steerlm_operator.core.active import ended_seconds
from steerlm_operator.core.graph import Stage, StageId, stage_graph
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.records import DONE, Records, has_ended, recorded, reset
from steerlm_operator.core.settle import settled


def with_retry(observed: Observed, graph: tuple[Stage, ...], records: Records) -> Records:
    """Reset the stages of a failed run whose retry count was raised, from `fromStage` on."""
    status, retry = observed.status, observed.run.spec.retry
    if status is None or retry.count <= status.observed_retry_count:
        return records
    if not _has_failed(records):
        return records
    ids = [stage.id for stage in graph]
    first = ids.index(StageId(retry.from_stage)) if retry.from_stage in ids else len(ids)
    return {
        stage: reset(record) if place >= first or record.state not in DONE else record
        for place, (stage, record) in enumerate(records.items())
    }


def _has_failed(records: Records) -> bool:
    return any(
        record.state is StageState.FAILED or record.reason is Reason.GATE_FAILED
        for record in records.values()
    )


def begun_again(observed: Observed, now: datetime) -> RunStatus | None:
    """Return the status with which one machine starts over; None for a run that never started.

    Every stage is looked at again, prepare first, which says what exists already. A run that was
    cut short keeps its retry budgets and the time it has been running; one that had ended gets new
    ones.
    """
    status = observed.status
    if status is None:
        return None
    graph = stage_graph(observed.run.spec)
    before = recorded(status, graph)
    after = [settled(observed, stage, before[stage.id], now) for stage in graph]
    ended = has_ended(after)
    records = dict(zip(before, after, strict=True))
    changes: dict[str, object] = {
        "active_seconds": ended_seconds(status, before, records),
        "stages": tuple(reset(record, keeps_budget=not ended) for record in after),
        "completion_time": None,
        "observed_retry_count": observed.run.spec.retry.count,
    }
    if ended:
        changes |= {"active_seconds": 0.0, "start_time": None}
    return status.model_copy(update=changes)
