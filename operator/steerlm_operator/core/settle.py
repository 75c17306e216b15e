"""From what was recorded about a stage and its attempt as it is now, to what is to be recorded."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import StageState, StageStatus
from steerlm_operator.core.attempt_end import Terms, after, place, seconds_between
from steerlm_operator.core.eta import eta
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.observed import Attempt, AttemptState, Observed
from steerlm_operator.core.outcome import STOP_REASONS, Outcome, OutcomeKind, outcome
from steerlm_operator.core.policies import num_gpus, retry_policy
from steerlm_operator.core.records import IN_FLIGHT, fitting


def settled(observed: Observed, stage: Stage, record: StageStatus, now: datetime) -> StageStatus:
    """Return the record brought up to date with its attempt; unchanged if none is in flight."""
    if record.state not in IN_FLIGHT:
        return record
    attempt = observed.attempt(stage.id, record.attempt)
    spec = observed.run.spec
    terms = Terms(stage, retry_policy(spec, stage), num_gpus(spec, stage), observed.prefix, now)
    if attempt is None:
        if not record.job_uid and record.reason not in STOP_REASONS:
            return record  # recorded, not launched yet
        state = AttemptState.DELETED if observed.generation else AttemptState.LOST
        gone = Attempt(stage.id, record.attempt, state, uid=record.job_uid)
        return after(record, None, _as_said(record, outcome(gone, record.reason)), terms)
    match attempt.state:
        case AttemptState.ACTIVE if attempt.is_held and record.state is StageState.RUNNING:
            return _preempted(record, terms)
        case AttemptState.ACTIVE if attempt.is_held or attempt.started_at is None:
            return _waiting(record, attempt)
        case AttemptState.ACTIVE:
            return _running(record, attempt)
        case AttemptState.SILENT:
            return _silent(record, attempt, terms)
        case _ if (attempt.unreported_at() or now) > now:
            return record
        case AttemptState.ENDED | AttemptState.LOST | AttemptState.DELETED:
            ended = _as_said(record, outcome(attempt, record.reason))
            return after(record, attempt, _named_as_told(record, attempt, ended), terms)
        case _:
            assert_never(attempt.state)


def _waiting(record: StageStatus, attempt: Attempt) -> StageStatus:
    """Return the record of an attempt whose pods wait, with what they wait for now.

    What it has waited for before, a quota say, is not to be seen any more.
    """
    if record.reason in STOP_REASONS:
        return record
    wait = attempt.waits_for
    reason, message = (None, "") if wait is None else (wait.reason, fitting(wait.message))
    return record.model_copy(update={"reason": reason, "message": message})


def _preempted(record: StageStatus, terms: Terms) -> StageStatus:
    """Return the record of an attempt that its queue has taken the nodes from.

    It is no failure and no new attempt: the same Job goes on from its checkpoint when it may.
    """
    seconds = seconds_between(record.start_time, terms.now)
    return record.model_copy(
        update={
            "state": StageState.QUEUED,
            "reason": record.reason if record.reason in STOP_REASONS else None,
            "message": "",
            "start_time": None,
            "completion_time": terms.now,
            "eta": None,
            "gpu_seconds": record.gpu_seconds + terms.num_gpus * seconds,
        }
    )


def _as_said(record: StageStatus, ended: Outcome) -> Outcome:
    """Return the outcome of an attempt that we stopped, with the node that we lost it to."""
    return replace(ended, message=record.message) if ended.reason is Reason.NODE_LOST else ended


def _running(record: StageStatus, attempt: Attempt) -> StageStatus:
    reason, message = _state_of_nodes(record, attempt)
    return record.model_copy(
        update={
            "state": StageState.RUNNING,
            "reason": reason,
            "message": message,
            "job_uid": attempt.uid,
            "start_time": attempt.started_at,
            "completion_time": None,
            "progress": attempt.progress or record.progress,
            "eta": eta(attempt, record.resumed_from or 0),
            **place(record, attempt),
        }
    )


def _state_of_nodes(record: StageStatus, attempt: Attempt) -> tuple[Reason | None, str]:
    """Return what is to be said of an attempt that runs: most often nothing."""
    if record.reason is Reason.NODE_LOST:
        return record.reason, record.message
    if record.reason in STOP_REASONS:
        return record.reason, ""
    if attempt.silent_node:
        return Reason.NODE_UNREACHABLE, f"node {attempt.silent_node} does not answer"
    return None, ""


def _silent(record: StageStatus, attempt: Attempt, terms: Terms) -> StageStatus:
    """Return the record of an attempt without a report: a probe looks for its result.

    Only its report tells what the result of prepare is called: it is lost without.
    """
    if (attempt.unreported_at() or terms.now) > terms.now:
        return record
    if not record.fingerprint:
        lost = replace(attempt, state=AttemptState.LOST)
        return after(record, lost, outcome(lost, record.reason), terms)
    reason, message = _state_of_probe(record, attempt)
    return record.model_copy(
        update={
            "state": StageState.RUNNING,
            "reason": reason,
            "message": message,
            "job_uid": attempt.uid,
            "start_time": record.start_time or attempt.created_at,
            "eta": None,
            **place(record, attempt),
        }
    )


def _state_of_probe(record: StageStatus, attempt: Attempt) -> tuple[Reason | None, str]:
    if record.reason in STOP_REASONS:
        return record.reason, record.message
    message = "its Job completed and left no report; a probe looks for the result"
    if not attempt.is_probed or attempt.waits_for is None:
        return None, message
    return attempt.waits_for.reason, f"{message}, and waits: {attempt.waits_for.message}"


def _named_as_told(record: StageStatus, attempt: Attempt, ended: Outcome) -> Outcome:
    """Return a failure where a stage names its result otherwise than we do: it would run for ever.

    prepare alone names its own result.
    """
    made = attempt.report.fingerprint if attempt.report is not None else ""
    if ended.kind is not OutcomeKind.SUCCEEDED or made in {"", record.fingerprint}:
        return ended
    if not record.fingerprint:
        return ended
    message = (
        f"made result {made}, not {record.fingerprint}: operator and stage programs are of "
        "different versions; install the same"
    )
    return Outcome(OutcomeKind.FINAL, Reason.BAD_CONFIG, ExitCode.BAD_CONFIG, message)
