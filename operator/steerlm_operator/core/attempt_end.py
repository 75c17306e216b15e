"""What the end of an attempt leaves in the record of its stage. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from steerlm_jobs.contract.config import artifact_uri
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import GateResult, gate_line
from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import ArtifactRef, FailureRecord, StageState, StageStatus
from steerlm_operator.core.budget import Budget, RetryPolicy
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.observed import Attempt
from steerlm_operator.core.outcome import Outcome, OutcomeKind
from steerlm_operator.core.records import fitting

MAX_FAILURES: Final = 3
"""How many failures a status remembers."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a stage is judged by."""

    stage: Stage
    policy: RetryPolicy
    num_gpus: int
    """Of all nodes together."""
    prefix: str
    now: datetime


def after(
    record: StageStatus, attempt: Attempt | None, ended: Outcome, terms: Terms
) -> StageStatus:
    """Return the record after the end of its attempt."""
    ended_at = (attempt.ended_at if attempt is not None else None) or terms.now
    started_at = _started_at(record, attempt)
    record = record.model_copy(
        update={
            **place(record, attempt),
            "job_uid": "",
            "start_time": started_at,
            "completion_time": ended_at,
            "eta": None,
            "gpu_seconds": record.gpu_seconds
            + terms.num_gpus * seconds_between(started_at, ended_at),
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
            return with_failure(record, StageState.FAILED, ended_at)
        case OutcomeKind.COUNTED if attempt is not None and attempt.has_spent_shard:
            failures = budget_of(record).after_failure().failures
            record = record.model_copy(update={"failures": failures})
            return with_failure(record, StageState.FAILED, ended_at)
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


def seconds_between(started_at: datetime | None, ended_at: datetime) -> float:
    """Return how long an attempt ran; 0 for one that never started."""
    return 0.0 if started_at is None else max(0.0, (ended_at - started_at).total_seconds())


def _succeeded(record: StageStatus, attempt: Attempt | None, terms: Terms) -> StageStatus:
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
    return with_failure(record, state, ended_at)


def with_failure(record: StageStatus, state: StageState, ended_at: datetime) -> StageStatus:
    """Return the record of a stage whose attempt has failed, and of what."""
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


def budget_of(record: StageStatus) -> Budget:
    """Return what the stage has used up."""
    return Budget(record.failures, record.disruptions, record.checkpoint_step)


def failed_gates_message(gates: tuple[GateResult, ...]) -> str:
    """Return one line that names the gates that did not hold; empty if all did.

    Sixteen of them may be too long for a record: the report holds every gate.
    """
    return fitting("; ".join(gate_line(gate) for gate in gates if not gate.passed))


def place(record: StageStatus, attempt: Attempt | None) -> dict[str, str]:
    """Return where to look for an attempt; what is known already stays when its pods are gone."""
    if attempt is None:
        return {}
    return {
        "job_name": attempt.job_name or record.job_name,
        "node": attempt.node or record.node,
    }
