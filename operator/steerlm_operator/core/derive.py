"""The status of a run, derived from the records of its stages and from nothing else."""

from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.conditions import ConditionType, with_condition
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import (
    MAX_METRICS,
    MAX_STAGE_PROGRESS,
    Phase,
    RunStatus,
    StageState,
    StageStatus,
)
from steerlm_operator.core.conditions import conditions, ending, not_serving
from steerlm_operator.core.configs import stage_settings
from steerlm_operator.core.graph import Stage, stage_graph
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.policies import SHARDED, num_pods
from steerlm_operator.core.records import DONE, Records, has_ended, in_words, recorded
from steerlm_operator.core.retry import seen_count

_ENDS: Final = {
    Reason.RUN_SUCCEEDED: Phase.SUCCEEDED,
    Reason.STOPPED: Phase.STOPPED,
    Reason.TERMINATED: Phase.STOPPED,
}


def derived_status(
    observed: Observed,
    graph: tuple[Stage, ...],
    records: Records,
    active_seconds: float,
    now: datetime,
) -> RunStatus:
    """Return what to record: a function of the records, and of the times recorded before."""
    before = observed.status or RunStatus()
    stages = _with_skipped([records[stage.id] for stage in graph])
    current = next((record for record in stages if record.state not in DONE), None)
    shown = before.conditions
    denial = (observed.denied_for, observed.denial) if observed.denial else None
    for condition in conditions(observed.run.spec, stages, observed.generation, denial):
        shown = with_condition(shown, condition, now)
    if all(condition.type is not ConditionType.SERVING for condition in shown):
        shown = with_condition(shown, not_serving(observed.generation), now)
    return before.model_copy(
        update={
            "observed_generation": observed.generation,
            "phase": _phase(observed.run.spec, stages),
            "current_stage": "" if current is None else current.name,
            "progress": f"{sum(record.state in DONE for record in stages)}/{len(stages)}",
            "stage_progress": _stage_progress(observed.run.spec, graph, current),
            "start_time": before.start_time or (None if observed.denial else now),
            "completion_time": (before.completion_time or now) if has_ended(stages) else None,
            "active_seconds": active_seconds,
            "observed_retry_count": seen_count(observed, graph),
            # Statuses from before stages had counts of their own have this one alone.
            "retries": max(before.retries, sum(record.retries for record in stages)),
            "gpu_seconds": round(sum(record.gpu_seconds for record in stages), 1),
            "metrics": _metrics(observed, graph[-1], records) or before.metrics,
            "iterations_completed": _iterations_completed(graph, records),
            "conditions": shown,
            "stages": stages,
        }
    )


def derived_again(observed: Observed, status: RunStatus, now: datetime) -> RunStatus:
    """Return a planned status whose record of a stage has changed, the rest as that makes it."""
    graph = stage_graph(observed.run.spec)
    records = recorded(status, graph)
    return derived_status(
        replace(observed, status=status), graph, records, status.active_seconds, now
    )


def _stage_progress(spec: RunSpec, graph: tuple[Stage, ...], current: StageStatus | None) -> str:
    """Return how far the stage is that runs; empty where several shards do, for one is asked."""
    if current is None or current.state is not StageState.RUNNING or current.progress is None:
        return ""
    kind = next(stage.kind for stage in graph if stage.id == current.name)
    if kind in SHARDED and num_pods(stage_settings(spec, kind)) > 1:
        return ""
    return in_words(current.progress)[:MAX_STAGE_PROGRESS]


def _metrics(observed: Observed, last: Stage, records: Records) -> dict[str, str]:
    """Return the figures of an evaluation that has just ended: the first ones are the best."""
    attempt = observed.attempt(last.id, records[last.id].attempt)
    is_done = records[last.id].state in DONE
    if not is_done or attempt is None or attempt.report is None:
        return {}
    return dict(islice(attempt.report.metrics.items(), MAX_METRICS))


def _with_skipped(records: list[StageStatus]) -> tuple[StageStatus, ...]:
    """Return the records, those after one that was given up as Skipped."""
    given_up = False
    shown = []
    for record in records:
        skipped = given_up and record.state not in DONE
        shown.append(record.model_copy(update={"state": StageState.SKIPPED}) if skipped else record)
        given_up = given_up or record.state in {StageState.FAILED, StageState.CANCELLED}
    return tuple(shown)


def _iterations_completed(graph: tuple[Stage, ...], records: Records) -> int:
    return sum(
        stage.kind is StageKind.TRAIN_ACSFT
        and stage.iteration > 0
        and records[stage.id].state in DONE
        for stage in graph
    )


def _phase(spec: RunSpec, stages: tuple[StageStatus, ...]) -> Phase:
    ended = ending(stages)
    if ended is not None:
        return _ENDS.get(ended[0], Phase.FAILED)
    if spec.suspend:
        return Phase.SUSPENDED
    is_untouched = all(record.state is StageState.PENDING for record in stages)
    return Phase.PENDING if is_untouched else Phase.RUNNING
