"""From what was recorded about a stage and its attempt as it is now, to what is to be recorded."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from steerlm_jobs.contract.config import artifact_uri
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import GateResult, gate_line
from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import ArtifactRef, FailureRecord, StageState, StageStatus
from steerlm_operator.core.budget import Budget, RetryPolicy
from steerlm_operator.core.eta import eta
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.observed import Attempt, AttemptState, Observed
from steerlm_operator.core.outcome import STOP_REASONS, Outcome, OutcomeKind, outcome
from steerlm_operator.core.policies import num_gpus, retry_policy
from steerlm_operator.core.records import IN_FLIGHT, fitting

MAX_FAILURES: Final = 3
"""How many failures a status remembers."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a stage is judged by."""

    stage: Stage
    policy: RetryPolicy
    num_gpus: int
    """Of all nodes together."""
    prefix: str
    now: datetime


def settled(observed: Observed, stage: Stage, record: StageStatus, now: datetime) -> StageStatus:
    """Return the record brought up to date with its attempt; unchanged if none is in flight."""
    if record.state not in IN_FLIGHT:
        return record
    attempt = observed.attempt(stage.id, record.attempt)
    spec = observed.run.spec
    terms = _Terms(stage, retry_policy(spec, stage), num_gpus(spec, stage), observed.prefix, now)
    if attempt is None:
        if not record.job_uid and record.reason not in STOP_REASONS:
            return record  # recorded, not launched yet
        state = AttemptState.DELETED if observed.generation else AttemptState.LOST
        gone = Attempt(stage.id, record.attempt, state, uid=record.job_uid)
        return _after(record, None, _as_said(record, outcome(gone, record.reason)), terms)
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
            return _after(record, attempt, _named_as_told(record, attempt, ended), terms)
        case _:
            assert_never(attempt.state)


def budget_of(record: StageStatus) -> Budget:
    """Return what the stage has used up."""
    return Budget(record.failures, record.disruptions, record.checkpoint_step)


def failed_gates_message(gates: tuple[GateResult, ...]) -> str:
    """Return one line that names the gates that did not hold; empty if all did.

    Sixteen of them may be too long for a record: the report holds every gate.
    """
    return fitting("; ".join(gate_line(gate) for gate in gates if not gate.passed))


def _waiting(record: StageStatus, attempt: Attempt) -> StageStatus:
    """Return the record of an attempt whose pods wait, with what they wait for now.

    What it has waited for before, a quota say, is not to be seen any more.
    """
    if record.reason in STOP_REASONS:
        return record
    wait = attempt.waits_for
    reason, message = (None, "") if wait is None else (wait.reason, fitting(wait.message))
    return record.model_copy(update={"reason": reason, "message": message})


def _preempted(record: StageStatus, terms: _Terms) -> StageStatus:
    """Return the record of an attempt that its queue has taken the nodes from.

    It is no failure and no new attempt: the same Job goes on from its checkpoint when it may.
    """
    seconds = _seconds_between(record.start_time, terms.now)
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
            **_place(record, attempt),
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


def _silent(record: StageStatus, attempt: Attempt, terms: _Terms) -> StageStatus:
    """Return the record of an attempt without a report: a probe looks for its result.

    Only its report tells what the result of prepare is called: it is lost without.
    """
    if (attempt.unreported_at() or terms.now) > terms.now:
        return record
    if not record.fingerprint:
        lost = replace(attempt, state=AttemptState.LOST)
        return _after(record, lost, outcome(lost, record.reason), terms)
    reason, message = _state_of_probe(record, attempt)
    return record.model_copy(
        update={
            "state": StageState.RUNNING,
            "reason": reason,
            "message": message,
            "job_uid": attempt.uid,
            "start_time": record.start_time or attempt.created_at,
            "eta": None,
            **_place(record, attempt),
        }
    )


def _state_of_probe(record: StageStatus, attempt: Attempt) -> tuple[Reason | None, str]:
    if record.reason in STOP_REASONS:
        return record.reason, record.message
    message = "its Job completed and left no report; a probe looks for the result"
    if not attempt.is_probed or attempt.waits_for is None:
        return None, message
    return attempt.waits_for.reason, f"{message}, and waits: {attempt.waits_for.message}"


def _place(record: StageStatus, attempt: Attempt | None) -> dict[str, str]:
    """Return where to look for an attempt; what is known already stays when its pods are gone."""
    if attempt is None:
        return {}
    return {
        "job_name": attempt.job_name or record.job_name,
        "node": attempt.node or record.node,
    }


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


def _after(
    record: StageStatus, attempt: Attempt | None, ended: Outcome, terms: _Terms
) -> StageStatus:
    """Return the record after the end of its attempt."""
    ended_at = (attempt.ended_at if attempt is not None else None) or terms.now
    started_at = _started_at(record, attempt)
    record = record.model_copy(
        update={
            **_place(record, attempt),
            "job_uid": "",
            "start_time": started_at,
            "completion_time": ended_at,
            "eta": None,
            "gpu_seconds": record.gpu_seconds
            + terms.num_gpus * _seconds_between(started_at, ended_at),
            "exit_code": int(ended.exit_code),
            "reason": ended.reason,
            "message": fitting(ended.message),
        }
    )
    match ended.kind:
        case OutcomeKind.SUCCEEDED:
            return _succeeded(record, attempt, terms)
        case OutcomeKind.STOPPED:
            return _stopped(record)
        case OutcomeKind.FINAL:
            return _with_failure(record, StageState.FAILED, ended_at)
        case OutcomeKind.COUNTED if attempt is not None and attempt.has_spent_shard:
            failures = budget_of(record).after_failure().failures
            record = record.model_copy(update={"failures": failures})
            return _with_failure(record, StageState.FAILED, ended_at)
        case OutcomeKind.COUNTED:
            return _retrying(record, budget_of(record).after_failure(), terms.policy, ended_at)
        case OutcomeKind.DISRUPTION:
            budget = budget_of(record).after_disruption(_checkpoint_step(record, attempt))
            return _retrying(record, budget, terms.policy, ended_at)
        case _:
            assert_never(ended.kind)


def _started_at(record: StageStatus, attempt: Attempt | None) -> datetime | None:
    """Return since when an attempt that ended was running and has not been counted; None: never.

    What ran before its queue took its nodes was counted then.
    """
    started_at = (attempt.started_at if attempt is not None else None) or record.start_time
    is_preempted = record.state is StageState.QUEUED and record.completion_time is not None
    if started_at is None or record.completion_time is None or not is_preempted:
        return started_at
    return max(started_at, record.completion_time)


def _seconds_between(started_at: datetime | None, ended_at: datetime) -> float:
    return 0.0 if started_at is None else max(0.0, (ended_at - started_at).total_seconds())


def _succeeded(record: StageStatus, attempt: Attempt | None, terms: _Terms) -> StageStatus:
    report, seen = (None, None) if attempt is None else (attempt.report, attempt.progress)
    if report is None:  # `outcome` calls only an attempt with a sealed report a success
        msg = f"{record.name}: success without a report"
        raise ValueError(msg)
    fingerprint = report.fingerprint or record.fingerprint
    failed_gates = failed_gates_message(report.gates)
    return record.model_copy(
        update={
            "state": StageState.CACHED if report.is_cached else StageState.SUCCEEDED,
            "fingerprint": fingerprint,
            "artifact": ArtifactRef(
                uri=artifact_uri(terms.prefix, terms.stage.kind, fingerprint), digest=report.digest
            ),
            "exit_code": int(ExitCode.OK),
            "reason": Reason.GATE_FAILED if failed_gates else None,
            "message": failed_gates,
            "progress": None if report.is_cached else _completed(seen or record.progress),
        }
    )


def _completed(progress: Progress | None) -> Progress | None:
    """Return the progress of a stage that succeeded: nobody asked it again after its last unit."""
    if progress is None or not progress.total:
        return progress
    return progress.model_copy(update={"done": progress.total})


def _stopped(record: StageStatus) -> StageStatus:
    """Return the record after we stopped the attempt: it goes on from its checkpoint, if ever."""
    match record.reason:
        case Reason.TERMINATED:
            state = StageState.CANCELLED
        case Reason.DEADLINE_EXCEEDED:
            state = StageState.FAILED
        case _:
            state = StageState.PENDING
    return record.model_copy(update={"state": state})


def _retrying(
    record: StageStatus, budget: Budget, policy: RetryPolicy, ended_at: datetime
) -> StageStatus:
    record = record.model_copy(
        update={
            "failures": budget.failures,
            "disruptions": budget.disruptions,
            "checkpoint_step": budget.checkpoint_step,
        }
    )
    state = StageState.FAILED if budget.is_used_up(policy) else StageState.RETRYING
    return _with_failure(record, state, ended_at)


def _with_failure(record: StageStatus, state: StageState, ended_at: datetime) -> StageStatus:
    failure = FailureRecord(
        attempt=record.attempt,
        exit_code=record.exit_code,
        reason=record.reason,
        message=record.message,
        time=ended_at,
    )
    last = (*record.last_failures, failure)[-MAX_FAILURES:]
    return record.model_copy(update={"state": state, "last_failures": last})


def _checkpoint_step(record: StageStatus, attempt: Attempt | None) -> int:
    progress = (attempt.progress if attempt is not None else None) or record.progress
    return 0 if progress is None else progress.checkpoint_step
