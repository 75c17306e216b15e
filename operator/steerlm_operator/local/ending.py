"""The exit code of `steerlm run`."""

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageState
from steerlm_operator.core.records import DONE


def exit_code(status: RunStatus) -> int:
    """Return 0, the code of the stage that failed, 3 for a failed gate, 21 where it was stopped."""
    for record in status.stages:
        if record.state is StageState.FAILED:
            return record.exit_code or ExitCode.BUG
    if any(record.state not in DONE for record in status.stages):
        return ExitCode.INTERRUPTED
    if any(record.reason is Reason.GATE_FAILED for record in status.stages):
        return ExitCode.GATE_FAILED
    return ExitCode.OK
