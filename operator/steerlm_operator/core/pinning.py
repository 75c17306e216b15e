"""What the installation gives to a run, pinned when the run is accepted. Pure.

An upgraded operator, or a changed value of the chart, changes no run in flight. A retry of a failed
run is a new flight: it may have failed for the very value that was mended.
"""

from steerlm_operator.api.status import ResolvedSettings, RunStatus


def with_resolved(
    before: RunStatus | None, status: RunStatus, offered: ResolvedSettings | None
) -> RunStatus:
    """Return the status with what the run is to use.

    Args:
        before: As it is recorded; None before the first pass.
        status: As it is to be recorded.
        offered: What the installation gives now; None: it does not accept the run.
    """
    if before is None or before.resolved is None or _begins_anew(before, status):
        return status.model_copy(update={"resolved": offered})
    return status


def _begins_anew(before: RunStatus, status: RunStatus) -> bool:
    return before.completion_time is not None and status.completion_time is None
