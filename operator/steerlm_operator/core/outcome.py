"""What the end of an attempt counts as: the exit code only says what happened."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from steerlm_jobs.contract.errors import NEVER_RETRIED, ExitCode
from steerlm_operator.api.reasons import Reason
from steerlm_operator.core.observed import Attempt, AttemptState


class OutcomeKind(StrEnum):
    """What follows from the end of an attempt."""

    SUCCEEDED = "Succeeded"
    FINAL = "Final"
    """Another attempt would end the same way."""
    COUNTED = "Counted"
    """Tried again within `retry.limit`."""
    DISRUPTION = "Disruption"
    """Not the stage's fault: tried again within `retry.disruptionLimit`."""
    STOPPED = "Stopped"
    """We stopped it; counted in no budget."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    kind: OutcomeKind
    reason: Reason | None = None
    exit_code: int = 0
    message: str = ""


_REASONS: Final = {
    ExitCode.BUG: Reason.STAGE_CRASHED,
    ExitCode.BAD_CONFIG: Reason.BAD_CONFIG,
    ExitCode.BAD_INPUT: Reason.BAD_INPUT,
    ExitCode.DIVERGED: Reason.DIVERGED,
    ExitCode.OUT_OF_MEMORY: Reason.OUT_OF_MEMORY,
    ExitCode.STORE_UNAVAILABLE: Reason.STORE_UNAVAILABLE,
    ExitCode.INTERRUPTED: Reason.INTERRUPTED,
    ExitCode.STALLED: Reason.STALLED,
}
STOPS_UNCOUNTED: Final = frozenset({Reason.SUSPENDED, Reason.TERMINATED, Reason.DEADLINE_EXCEEDED})
"""Reasons for which we stop an attempt without holding it against the stage."""
STOP_REASONS: Final = STOPS_UNCOUNTED | {
    Reason.STALLED,
    Reason.PODS_NOT_READY,
    Reason.NODE_LOST,
}
"""All reasons for which we stop an attempt."""


def lost_outcome(uid: str) -> Outcome:
    """Return what an attempt counts as that was launched as `uid` and is no longer there."""
    return Outcome(
        OutcomeKind.DISRUPTION, Reason.ATTEMPT_LOST, ExitCode.INTERRUPTED, f"{uid or 'it'} vanished"
    )


def _deleted_outcome(uid: str) -> Outcome:
    message = f"its Job {uid} was deleted, and not by the operator"
    return Outcome(
        OutcomeKind.DISRUPTION, Reason.JOB_DELETED_EXTERNALLY, ExitCode.INTERRUPTED, message
    )


def outcome(attempt: Attempt, stop_reason: Reason | None) -> Outcome:
    """Return what the end of an attempt counts as.

    Args:
        attempt: An attempt that is not active.
        stop_reason: Why we had asked it to stop, if we had.
    """
    code = attempt.exit_code
    message = attempt.report.message if attempt.report is not None else ""
    if code == ExitCode.OK:
        return _succeeded(attempt)
    if code in NEVER_RETRIED:
        return Outcome(OutcomeKind.FINAL, _REASONS[ExitCode(code)], code, message)
    if stop_reason is Reason.STALLED:
        stalled = "no progress for longer than stallTimeoutSeconds"
        return Outcome(OutcomeKind.COUNTED, Reason.STALLED, ExitCode.STALLED, stalled)
    if stop_reason in STOPS_UNCOUNTED:
        return Outcome(OutcomeKind.STOPPED, stop_reason, ExitCode.INTERRUPTED, message)
    if stop_reason is Reason.PODS_NOT_READY:
        late = "its pods were not ready within podsReadyTimeoutSeconds"
        return Outcome(OutcomeKind.DISRUPTION, Reason.PODS_NOT_READY, ExitCode.INTERRUPTED, late)
    if stop_reason is Reason.NODE_LOST:
        return Outcome(OutcomeKind.DISRUPTION, Reason.NODE_LOST, ExitCode.INTERRUPTED, message)
    if attempt.state is AttemptState.DELETED:
        return _deleted_outcome(attempt.uid)
    if attempt.state is AttemptState.LOST or code is None:
        return lost_outcome(attempt.uid)
    if code == ExitCode.INTERRUPTED:
        return Outcome(OutcomeKind.DISRUPTION, Reason.INTERRUPTED, code, message)
    return _counted(attempt, code, message)


def _succeeded(attempt: Attempt) -> Outcome:
    if attempt.report is not None and attempt.report.digest:
        return Outcome(OutcomeKind.SUCCEEDED)
    message = "ended with exit code 0 but without a report of its artifact"
    return Outcome(OutcomeKind.COUNTED, Reason.STAGE_CRASHED, ExitCode.BUG, message)


def _counted(attempt: Attempt, code: int, message: str) -> Outcome:
    if attempt.has_no_result:
        return Outcome(OutcomeKind.COUNTED, Reason.RESULT_NOT_FOUND, code, message)
    if attempt.is_out_of_memory:
        killed = message or "killed for memory: more than its limit, or than its node has"
        return Outcome(OutcomeKind.COUNTED, Reason.OOM_KILLED, code, killed)
    known = _REASONS.get(ExitCode(code)) if code in set(ExitCode) else None
    if known is not None:
        return Outcome(OutcomeKind.COUNTED, known, code, message)
    killed = f"killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
    return Outcome(OutcomeKind.COUNTED, Reason.STAGE_KILLED, code, message or killed)
