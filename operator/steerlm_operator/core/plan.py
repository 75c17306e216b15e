"""The planner: a snapshot and the time in, actions and the next status out. Decides, never waits.

Every action is recorded in the status by one pass and carried out by the next: whoever dies in
between finds in the status what was about to happen, and in the snapshot whether it did. A probe
alone needs no record: it has the name of an attempt that is recorded, and makes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec, Shutdown
from steerlm_operator.api.status import ActedRetry, StageState, StageStatus
from steerlm_operator.core.active import ended_seconds, running_seconds
from steerlm_operator.core.attempt_end import budget_of
from steerlm_operator.core.derive import derived_status
from steerlm_operator.core.graph import Stage, StageId, stage_graph
from steerlm_operator.core.launch import launch
from steerlm_operator.core.limits import limit_of, lost_at
from steerlm_operator.core.observed import (
    Action,
    Attempt,
    AttemptState,
    Observed,
    Plan,
    Probe,
    Stop,
)
from steerlm_operator.core.outcome import STOP_REASONS
from steerlm_operator.core.policies import retry_policy
from steerlm_operator.core.records import (
    DONE,
    IN_FLIGHT,
    Records,
    recorded,
    retries_with_next,
    with_record,
)
from steerlm_operator.core.retry import acted_retry, with_retry
from steerlm_operator.core.reuse import next_fingerprint, with_existing
from steerlm_operator.core.settle import settled

STOP_GRACE_SECONDS: Final = 60.0
"""How long a stalled or overdue attempt may take to end."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to be done about the stage whose turn it is."""

    records: Records
    actions: tuple[Action, ...] = ()
    look_again_at: datetime | None = None


def plan(observed: Observed, now: datetime) -> Plan:
    """Return what to do now, what to record, and when to look again at the latest."""
    graph = stage_graph(observed.run.spec)
    recorded_before = recorded(observed.status, graph)
    retry = acted_retry(observed, graph, recorded_before)
    before = with_retry(observed, graph, recorded_before, retry)
    after = {stage.id: settled(observed, stage, before[stage.id], now) for stage in graph}
    current = with_existing(observed, graph, before, after, retry)
    ended = ended_seconds(observed.status, before, after)
    active = timedelta(seconds=ended + running_seconds(current, now))
    step = _step(observed, graph, current, retry, active, now)
    step = _without_strays(observed, graph, step, _control(observed, active))
    status = derived_status(observed, graph, step.records, ended, now)
    status = status.model_copy(update={"retry": retry})
    return Plan(step.actions, status, step.look_again_at)


def _step(
    observed: Observed,
    graph: tuple[Stage, ...],
    records: Records,
    retry: ActedRetry | None,
    active: timedelta,
    now: datetime,
) -> _Step:
    stage = next((stage for stage in graph if records[stage.id].state not in DONE), None)
    if stage is None:
        return _Step(records)
    record = records[stage.id]
    spec = observed.run.spec
    control = _control(observed, active)
    match record.state:
        case StageState.RUNNING if _is_to_be_probed(observed, record, control, now):
            return _Step(records, (Probe(launch(observed, graph, stage, records, retry)),))
        case StageState.RUNNING:
            step = _while_running(observed, stage, records, control, now)
            return _Step(step.records, step.actions, _earlier(step, spec, control, active, now))
        case StageState.QUEUED if observed.attempt(stage.id, record.attempt) is not None:
            step = _while_running(observed, stage, records, control, now)
            return _Step(step.records, step.actions, _earlier(step, spec, control, active, now))
        case StageState.QUEUED if control is None:
            return _Step(records, (launch(observed, graph, stage, records, retry),))
        case StageState.QUEUED | StageState.PENDING | StageState.RETRYING:
            return _while_waiting(observed, stage, records, retry, control, now)
        case _:
            return _Step(records)  # failed or cancelled: the run has ended


def _without_strays(
    observed: Observed, graph: tuple[Stage, ...], step: _Step, control: Reason | None
) -> _Step:
    """Stop what is alive beside the attempt whose turn it is, and start nothing until it has ended.

    A Job whose creation got no answer may appear after its run was terminated, and a retry begins
    when nobody should be at work any more. An attempt of a number that is not recorded yet is
    spared: another replica may have recorded it, and we have not seen that yet. Where nothing may
    run it is not.
    """
    turn = next((stage.id for stage in graph if step.records[stage.id].state not in DONE), None)
    strays = [a for a in observed.attempts if _is_stray(a, step.records, turn, control)]
    if not strays:
        return step
    stops = [Stop(a.stage, a.number, Reason.STOPPED, STOP_GRACE_SECONDS) for a in strays]
    kept = [action for action in step.actions if isinstance(action, Stop)]
    times = [a.stuck_since + observed.stuck_patience for a in strays if a.stuck_since is not None]
    if step.look_again_at is not None:
        times.append(step.look_again_at)
    return _Step(step.records, (*kept, *stops), min(times, default=None))


def _is_stray(
    attempt: Attempt, records: Records, turn: StageId | None, control: Reason | None
) -> bool:
    if attempt.state is not AttemptState.ACTIVE and not attempt.is_probed:
        return False
    record = records.get(attempt.stage)
    if record is None:
        return True  # its stage is none of this run any more
    if attempt.number != record.attempt:
        is_old = attempt.number < record.attempt
        return is_old or control in {Reason.TERMINATED, Reason.DEADLINE_EXCEEDED, Reason.SUSPENDED}
    return attempt.stage != turn or record.state not in IN_FLIGHT


def _control(observed: Observed, active: timedelta) -> Reason | None:
    """Return why nothing may run, or nothing new; None if all may."""
    spec = observed.run.spec
    if spec.shutdown is Shutdown.TERMINATE:
        return Reason.TERMINATED
    deadline = spec.active_deadline_seconds
    if deadline is not None and active >= timedelta(seconds=deadline):
        return Reason.DEADLINE_EXCEEDED
    if spec.suspend:
        return Reason.SUSPENDED
    if spec.shutdown is Shutdown.STOP:
        return Reason.STOPPED
    return Reason.POLICY_DENIED if observed.denial else None


def _is_to_be_probed(
    observed: Observed, record: StageStatus, control: Reason | None, now: datetime
) -> bool:
    """Return True if nobody has looked yet for the result of an attempt that left no report."""
    attempt = observed.attempt(StageId(record.name), record.attempt)
    if attempt is None or attempt.state is not AttemptState.SILENT or attempt.is_probed:
        return False
    if record.reason in STOP_REASONS:
        return False  # its Job is being deleted, and its probe may be gone before
    is_due = (attempt.unreported_at() or now) <= now
    return is_due and control in {None, Reason.STOPPED, Reason.POLICY_DENIED}


def _while_running(
    observed: Observed, stage: Stage, records: Records, control: Reason | None, now: datetime
) -> _Step:
    record = records[stage.id]
    limit = limit_of(observed, stage, record, now)
    is_over = limit is not None and limit.at <= now
    reason = _stop_reason(record, control, limit.reason if limit and is_over else None)
    if reason is None:
        return _Step(records, look_again_at=limit.at if limit else _due(observed, record, now))
    if reason is not record.reason:
        message = limit.message if limit and reason is limit.reason else ""
        stopping = record.model_copy(update={"reason": reason, "message": message})
        return _Step(with_record(records, stopping), look_again_at=now)
    grace = None if reason is Reason.SUSPENDED else STOP_GRACE_SECONDS
    given_up_at = lost_at(observed, record)
    times = [] if grace is None else [now + timedelta(seconds=grace)]
    times += [] if given_up_at is None or given_up_at <= now else [given_up_at]
    stop = Stop(stage.id, record.attempt, reason, grace)
    return _Step(records, (stop,), min(times, default=None))


def _due(observed: Observed, record: StageStatus, now: datetime) -> datetime | None:
    """Return when a silent attempt is to be probed; None if that has come, or for any other."""
    attempt = observed.attempt(StageId(record.name), record.attempt)
    at = None if attempt is None else attempt.unreported_at()
    return at if at is not None and at > now else None


def _stop_reason(
    record: StageStatus, control: Reason | None, overdue: Reason | None
) -> Reason | None:
    """Return why the attempt is to end: the reason it was given first, unless one is stronger."""
    if control in {Reason.TERMINATED, Reason.DEADLINE_EXCEEDED}:
        return control
    if record.reason in STOP_REASONS:
        return record.reason
    if control is Reason.SUSPENDED:
        return control
    return overdue  # Stop, and a denial, let the stage finish


def _while_waiting(
    observed: Observed,
    stage: Stage,
    records: Records,
    retry: ActedRetry | None,
    control: Reason | None,
    now: datetime,
) -> _Step:
    record = records[stage.id]
    if control in {Reason.SUSPENDED, Reason.POLICY_DENIED}:
        return _Step(records)
    if control is not None:
        is_overdue = control is Reason.DEADLINE_EXCEEDED
        state = StageState.FAILED if is_overdue else StageState.CANCELLED
        ended = {"state": state, "reason": control, "completion_time": now}
        return _Step(with_record(records, record.model_copy(update=ended)))
    ready_at = _ready_at(observed.run.spec, stage, record)
    if ready_at is not None and ready_at > now:
        return _Step(records, look_again_at=ready_at)
    number = 1 + max(record.attempt, observed.last_ended(stage.id))
    following = _next_attempt(record, number, next_fingerprint(observed, stage, records, retry))
    return _Step(with_record(records, following), look_again_at=now)


def _next_attempt(record: StageStatus, number: int, fingerprint: str) -> StageStatus:
    """Return the record with a new attempt, which the next pass launches."""
    return record.model_copy(
        update={
            "state": StageState.QUEUED,
            "attempt": number,
            "retries": retries_with_next(record),
            "job_uid": "",
            "fingerprint": fingerprint,
            "reason": None,
            "message": "",
            "exit_code": None,
            "start_time": None,
            "completion_time": None,
            "progress": None,
            "resumed_from": None if record.progress is None else record.progress.checkpoint_step,
            "eta": None,
            "job_name": "",
            "node": "",
        }
    )


def _ready_at(spec: RunSpec, stage: Stage, record: StageStatus) -> datetime | None:
    if record.state is not StageState.RETRYING or record.completion_time is None:
        return None
    return record.completion_time + budget_of(record).backoff(retry_policy(spec, stage))


def _earlier(
    step: _Step, spec: RunSpec, control: Reason | None, active: timedelta, now: datetime
) -> datetime | None:
    """Return when to look again, the deadline of the run considered as long as it is to come.

    Once the run is to end the time changes nothing more: pods take their grace.
    """
    is_to_end = control in {Reason.DEADLINE_EXCEEDED, Reason.TERMINATED}
    if spec.active_deadline_seconds is None or is_to_end:
        return step.look_again_at
    overdue_at = max(now, now + timedelta(seconds=spec.active_deadline_seconds) - active)
    return overdue_at if step.look_again_at is None else min(step.look_again_at, overdue_at)
