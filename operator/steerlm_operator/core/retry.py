"""Looking at a run anew: `spec.retry.count` on a failed run, or `steerlm run` once more."""

from datetime import datetime

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import ActedRetry, RunStatus, StageState, StageStatus
from steerlm_operator.core.active import ended_seconds
from steerlm_operator.core.graph import Stage, StageId, stage_graph
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.records import DONE, Records, has_ended, recorded, reset
from steerlm_operator.core.settle import settled


def acted_retry(
    observed: Observed, graph: tuple[Stage, ...], records: Records
) -> ActedRetry | None:
    """Return the retry in force: `spec.retry` if it is acted on in this pass, else the last one.

    A higher count acts on a run that has failed, and on no other.
    """
    status, wanted = observed.status, observed.run.spec.retry
    if status is None:
        return None
    if seen_count(observed, graph) <= status.observed_retry_count:
        return status.retry
    if not _has_failed(records):
        return status.retry
    ids = [stage.id for stage in graph]
    not_succeeded = next(name for name in ids if not _has_succeeded(records[name]))
    first = wanted.from_stage or not_succeeded
    return ActedRetry(count=wanted.count, from_stage=first, ignore_cache=wanted.ignore_cache)


def seen_count(observed: Observed, graph: tuple[Stage, ...]) -> int:
    """Return the count that is seen now; one whose `fromStage` is no stage waits until it is."""
    wanted, status = observed.run.spec.retry, observed.status
    names = {"", *(stage.id for stage in graph)}
    if status is not None and wanted.from_stage not in names:
        return status.observed_retry_count
    return wanted.count


def with_retry(
    observed: Observed, graph: tuple[Stage, ...], records: Records, retry: ActedRetry | None
) -> Records:
    """Reset the stages that a retry runs anew if it is acted on in this pass.

    They are all from its first one on, those that have not succeeded, and what reads their results.
    """
    if observed.status is None or retry is None or retry == observed.status.retry:
        return records
    after, anew, is_from = dict(records), set[StageId](), False
    for stage in graph:
        is_from = is_from or stage.id == observed.run.spec.retry.from_stage
        if is_from or not _has_succeeded(records[stage.id]) or anew & set(stage.inputs):
            anew.add(stage.id)
            after[stage.id] = reset(records[stage.id])
    return after


def _has_succeeded(record: StageStatus) -> bool:
    return record.state in DONE and record.reason is not Reason.GATE_FAILED


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
    wanted, acted = observed.run.spec.retry, status.retry
    if wanted.count > status.observed_retry_count:  # to start a run again is to ask for it
        acted = ActedRetry.model_validate(wanted.model_dump())
    changes: dict[str, object] = {
        "active_seconds": ended_seconds(status, before, records),
        "stages": tuple(reset(record, keeps_budget=not ended) for record in after),
        "completion_time": None,
        "observed_retry_count": wanted.count,
        "retry": acted,
    }
    if ended:
        changes |= {"active_seconds": 0.0, "start_time": None}
    return status.model_copy(update=changes)
