"""Why a run is where it is: its conditions, derived from the records of its stages."""

from typing import Final

from steerlm_operator.api.conditions import Condition, ConditionStatus, ConditionType
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import StageState, StageStatus
from steerlm_operator.core.records import DONE, IN_FLIGHT, has_ended

NODE_REASONS: Final = frozenset({Reason.NODE_UNREACHABLE, Reason.NODE_LOST})
"""What is the matter with a stage that runs as far as anybody has said."""
_TROUBLES: Final = NODE_REASONS | {
    Reason.UNSCHEDULABLE,
    Reason.IMAGE_NOT_PULLED,
    Reason.VOLUME_NOT_READY,
    Reason.PODS_NOT_CREATED,
}
"""The same, and what the probe of its result may wait for."""


def conditions(
    spec: RunSpec,
    stages: tuple[StageStatus, ...],
    generation: int,
    denial: tuple[Reason, str] | None = None,
) -> tuple[Condition, ...]:
    """Return all conditions of a run but Serving, each with a reason.

    Args:
        spec: What is asked for.
        stages: What is recorded of the stages.
        generation: Of the run object.
        denial: Why no attempt may start; None: it may.
    """
    return (
        _accepted(spec, stages, denial, generation),
        _progressing(spec, stages, generation, denial),
        _suspended(spec, stages, generation),
        _degraded(stages, generation),
        _succeeded(stages, generation),
    )


def not_serving(generation: int) -> Condition:
    """Return what is said of the server before anybody has looked; the cluster's shell looks."""
    return _condition(
        ConditionType.SERVING, ConditionStatus.FALSE, Reason.NOT_SERVING, "", generation
    )


def ending(stages: tuple[StageStatus, ...]) -> tuple[Reason, str] | None:
    """Return why the run has ended, and one line; None while it goes on."""
    if not has_ended(stages):
        return None
    given_up = next(
        (r for r in stages if r.state in {StageState.FAILED, StageState.CANCELLED}), None
    )
    if given_up is not None:
        return given_up.reason or Reason.STAGE_CRASHED, _sentence(given_up)
    gate = next((r for r in stages if r.reason is Reason.GATE_FAILED), None)
    if gate is not None:
        return Reason.GATE_FAILED, gate.message
    cached = sum(record.state is StageState.CACHED for record in stages)
    before = f", {cached} of them had it before" if cached else ""
    return Reason.RUN_SUCCEEDED, f"all {len(stages)} stages have a result{before}"


def _accepted(
    spec: RunSpec,
    stages: tuple[StageStatus, ...],
    denial: tuple[Reason, str] | None,
    generation: int,
) -> Condition:
    if denial is not None:
        return _condition(ConditionType.ACCEPTED, ConditionStatus.FALSE, *denial, generation)
    first, names = spec.retry.from_stage, [record.name for record in stages]
    message = "the spec is valid"
    if first and first not in names:
        message = (
            f"spec.retry.fromStage: is {first!r}, no stage of this run ({', '.join(names)}): "
            "nothing is retried until it is one, or empty"
        )
    return _condition(
        ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED, message[:1024], generation
    )


def _progressing(
    spec: RunSpec,
    stages: tuple[StageStatus, ...],
    generation: int,
    denial: tuple[Reason, str] | None,
) -> Condition:
    ended = ending(stages)
    if ended is not None:
        return _condition(
            ConditionType.PROGRESSING, ConditionStatus.FALSE, ended[0], ended[1], generation
        )
    if spec.suspend:
        return _condition(
            ConditionType.PROGRESSING, ConditionStatus.FALSE, Reason.SUSPENDED, "", generation
        )
    current = next((record for record in stages if record.state not in DONE), None)
    if denial is not None and (current is None or current.state not in IN_FLIGHT):
        return _condition(ConditionType.PROGRESSING, ConditionStatus.FALSE, *denial, generation)
    reason, message = (Reason.STAGES_REMAIN, "") if current is None else _now(current)
    return _condition(ConditionType.PROGRESSING, ConditionStatus.TRUE, reason, message, generation)


def _now(record: StageStatus) -> tuple[Reason, str]:
    """Return what the current stage does or waits for."""
    match record.state:
        case StageState.QUEUED if record.reason is not None:
            return record.reason, _sentence(record)
        case StageState.QUEUED:
            return Reason.STAGES_REMAIN, f"{record.name}: attempt {record.attempt} waits to start"
        case StageState.RUNNING if record.reason in _TROUBLES:
            return record.reason, _sentence(record)
        case StageState.RUNNING:
            return Reason.STAGES_REMAIN, f"{record.name}: attempt {record.attempt} is running"
        case StageState.RETRYING:
            return Reason.RETRYING, _sentence(record)
        case _:
            return Reason.STAGES_REMAIN, record.name


def _suspended(spec: RunSpec, stages: tuple[StageStatus, ...], generation: int) -> Condition:
    if not spec.suspend or has_ended(stages):
        return _condition(
            ConditionType.SUSPENDED, ConditionStatus.FALSE, Reason.NOT_SUSPENDED, "", generation
        )
    stopping = next((record.name for record in stages if record.state is StageState.RUNNING), "")
    message = f"waiting for the checkpoint of {stopping}" if stopping else ""
    return _condition(
        ConditionType.SUSPENDED, ConditionStatus.TRUE, Reason.SUSPENDED, message, generation
    )


def _degraded(stages: tuple[StageStatus, ...], generation: int) -> Condition:
    found = ((record, why) for record in stages if (why := _trouble(record)) is not None)
    record, reason = next(found, (None, Reason.HEALTHY))
    if record is None:
        return _condition(
            ConditionType.DEGRADED, ConditionStatus.FALSE, Reason.HEALTHY, "", generation
        )
    status = ConditionStatus.TRUE
    return _condition(ConditionType.DEGRADED, status, reason, _sentence(record), generation)


def _trouble(record: StageStatus) -> Reason | None:
    """Return what is the matter with a stage; None: nothing."""
    if record.state is StageState.RETRYING:
        return Reason.RETRYING
    is_running = record.state is StageState.RUNNING
    return record.reason if is_running and record.reason in _TROUBLES else None


def _succeeded(stages: tuple[StageStatus, ...], generation: int) -> Condition:
    ended = ending(stages)
    if ended is None:
        return _condition(
            ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, Reason.STAGES_REMAIN, "", generation
        )
    status = ConditionStatus.TRUE if ended[0] is Reason.RUN_SUCCEEDED else ConditionStatus.FALSE
    return _condition(ConditionType.SUCCEEDED, status, ended[0], ended[1], generation)


def _sentence(record: StageStatus) -> str:
    return f"{record.name}: {record.message}" if record.message else record.name


def _condition(
    kind: ConditionType, status: ConditionStatus, reason: Reason, message: str, generation: int
) -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message=message, observed_generation=generation
    )
