"""Conditions: the part of the status that other programs read."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.reasons import Reason


class ConditionType(StrEnum):
    """What a condition is about; all are present from the first pass on."""

    ACCEPTED = "Accepted"
    """The spec is valid. False: it breaks a rule that no API server checks; nothing starts."""
    PROGRESSING = "Progressing"
    """Stages run, or wait to. False: the run is suspended, or has ended."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is acted on; the message names a stage that still writes its checkpoint."""
    DEGRADED = "Degraded"
    """A stage failed or was disrupted and will be tried again. The run goes on by itself."""
    SUCCEEDED = "Succeeded"
    """Every stage has a result and every gate held. Unknown before the end; False says why."""
    SERVING = "Serving"
    """The model server answers. False where none was asked for."""


class ConditionStatus(StrEnum):
    """Whether the condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Value):
    """One entry of `status.conditions`."""

    type: ConditionType
    """What it is about."""
    status: ConditionStatus
    """Whether it holds."""
    reason: Reason
    """Why, for programs."""
    message: str = ""
    """Why, for people."""
    observed_generation: int = 0
    """Generation of the spec that this was said of."""
    last_transition_time: datetime | None = None
    """When the status last changed."""


def with_condition(
    conditions: Iterable[Condition], new: Condition, now: datetime
) -> tuple[Condition, ...]:
    """Replace the condition of the same type; its time changes only with its status."""
    before = tuple(conditions)
    old = next((c for c in before if c.type == new.type), None)
    same = old is not None and old.status == new.status and old.last_transition_time is not None
    time = old.last_transition_time if old is not None and same else now
    dated = new.model_copy(update={"last_transition_time": time})
    if old is None:
        return (*before, dated)
    return tuple(dated if c.type == new.type else c for c in before)
