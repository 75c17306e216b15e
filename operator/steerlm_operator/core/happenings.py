"""What to tell people of a pass: from the status before and after it. Pure.

A Kubernetes Event each, and a line in the log. Nothing is told twice, for nothing is told of a
status that did not change.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from steerlm_operator.api.conditions import ConditionStatus, ConditionType
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.core.conditions import NODE_REASONS

_GIVEN_UP = f"Stage{StageState.FAILED.value}"
_BAD = frozenset({StageState.FAILED, StageState.RETRYING})
_TOLD = frozenset(
    {
        StageState.RUNNING,
        StageState.RETRYING,
        StageState.SUCCEEDED,
        StageState.FAILED,
        StageState.CACHED,
        StageState.CANCELLED,
    }
)
_TOLD_CONDITIONS = (
    ConditionType.ACCEPTED,
    ConditionType.SUCCEEDED,
    ConditionType.SUSPENDED,
    ConditionType.SERVING,
)
_QUIET = frozenset({ConditionType.SUSPENDED, ConditionType.SERVING})
"""That they do not hold is no bad news, and at first none at all."""
_BAD_REASONS = frozenset({Reason.ROLLOUT_STALLED, Reason.SERVER_REFUSED, Reason.JOB_NAME_CONFLICT})


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a run."""

    reason: str
    message: str
    is_warning: bool = False


def happenings(before: RunStatus | None, after: RunStatus) -> tuple[Happening, ...]:
    """Return what happened between two statuses of a run, in graph order, the run's end last.

    What two places of a status say is told once: a spec that is refused also ends its run, and so
    does a stage that is given up.
    """
    told = list(_of_stages(before, after))
    has_given_up = any(found.reason == _GIVEN_UP for found in told)
    for kind in _TOLD_CONDITIONS:
        found = _of_condition(kind, before, after)
        is_end_of_stage = kind is ConditionType.SUCCEEDED and has_given_up
        if found is not None and found not in told and not is_end_of_stage:
            told.append(found)
    return tuple(told)


def _of_stages(before: RunStatus | None, after: RunStatus) -> Iterator[Happening]:
    known = {} if before is None else {record.name: record for record in before.stages}
    cached = []
    for record in after.stages:
        old = known.get(record.name)
        if (old is not None and _told_of(old) == _told_of(record)) or record.state not in _TOLD:
            continue
        if record.state is StageState.CACHED:
            cached.append(record.name)
            continue
        yield Happening(
            reason=f"Stage{record.state.value}",
            message=_stage_message(record),
            is_warning=record.state in _BAD or record.reason in NODE_REASONS,
        )
    if cached:
        yield Happening("StageCached", f"results exist already: {', '.join(cached)}")


def _told_of(record: StageStatus) -> tuple[StageState, int, Reason | None]:
    """Return what is told of a stage when it changes."""
    node = record.reason if record.reason in NODE_REASONS else None
    return record.state, record.attempt, node


def _stage_message(record: StageStatus) -> str:
    why = f" ({record.reason.value})" if record.reason is not None else ""
    text = f": {record.message}" if record.message else ""
    return f"{record.name}, attempt {record.attempt}{why}{text}"


def _of_condition(
    kind: ConditionType, before: RunStatus | None, after: RunStatus
) -> Happening | None:
    new = _condition(after, kind)
    old = None if before is None else _condition(before, kind)
    if new is None or new[0] is ConditionStatus.UNKNOWN or new[:2] == (old or ())[:2]:
        return None
    status, reason, message = new
    if kind in _QUIET and status is ConditionStatus.FALSE and old is None:
        return None
    is_bad = status is ConditionStatus.FALSE and (kind not in _QUIET or reason in _BAD_REASONS)
    return Happening(reason.value, message or f"{kind.value} is {status.value}", is_bad)


def _condition(
    status: RunStatus, kind: ConditionType
) -> tuple[ConditionStatus, Reason, str] | None:
    found = next((c for c in status.conditions if c.type is kind), None)
    return None if found is None else (found.status, found.reason, found.message)
