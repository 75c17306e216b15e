"""The status of a run from the records of its stages: the one place of phases, conditions, words."""

from datetime import datetime
from typing import Final

from steerlm_operator.api.conditions import Condition, ConditionStatus, ConditionType, with_condition
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import Phase, RunStatus, StageState, StageStatus
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.records import DONE, Records, has_ended

_STOP_REASONS: Final = frozenset({Reason.STOPPED, Reason.TERMINATED})


def derived_status(
    observed: Observed,
    graph: tuple[Stage, ...],
    records: Records,
    active_seconds: float,
    now: datetime,
) -> RunStatus:
    """Return what to record: a function of the records, and of the times recorded before."""
    before = observed.status or RunStatus()
    stages = _with_skipped(tuple(records[stage.id] for stage in graph))
    ended = has_ended(stages)
    conditions = before.conditions
    for condition in _conditions(observed, stages, now):
        conditions = with_condition(conditions, condition)
    current = next((record for record in stages if record.state not in DONE), None)
    return before.model_copy(
        update={
            "observed_generation": observed.run.metadata.generation,
            "phase": _phase(observed, stages),
            "current_stage": "" if current is None else current.name,
            "progress": f"{sum(r.state in DONE for r in stages)}/{len(stages)}",
            "start_time": before.start_time or now,
            "completion_time": (before.completion_time or now) if ended else None,
            "active_seconds": active_seconds,
            "observed_retry_count": _retry_count(observed),
            "iterations_completed": _iterations(graph, records),
            "conditions": conditions,
            "stages": stages,
        }
    )
