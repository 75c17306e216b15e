"""What is recorded of an attempt that could not be launched. Pure."""

from collections.abc import Callable
from datetime import datetime

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.core.attempt_end import with_failure
from steerlm_operator.core.derive import derived_again
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Observed

_MAX_MESSAGE = 500


def with_name_conflict(
    observed: Observed, status: RunStatus, stage: StageId, message: str, now: datetime
) -> RunStatus:
    """Return the status of a run whose stage fails, for an object of its name is not the run's."""
    change: dict[str, object] = {
        "reason": Reason.JOB_NAME_CONFLICT,
        "message": message[:_MAX_MESSAGE],
        "completion_time": now,
    }

    def failed(record: StageStatus) -> StageStatus:
        return with_failure(record.model_copy(update=change), StageState.FAILED, now)

    return derived_again(observed, _with_stage(status, stage, failed), now)


def with_refused_launch(
    observed: Observed, status: RunStatus, stage: StageId, message: str, now: datetime
) -> RunStatus:
    """Return the status of a run whose stage waits, for the server refuses its Job."""
    change: dict[str, object] = {"reason": Reason.LAUNCH_REFUSED, "message": message[:_MAX_MESSAGE]}

    def waiting(record: StageStatus) -> StageStatus:
        return record.model_copy(update=change)

    return derived_again(observed, _with_stage(status, stage, waiting), now)


def _with_stage(
    status: RunStatus, stage: StageId, changed: Callable[[StageStatus], StageStatus]
) -> RunStatus:
    stages = (changed(record) if record.name == stage else record for record in status.stages)
    return status.model_copy(update={"stages": tuple(stages)})
