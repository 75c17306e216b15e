"""When a run that has ended is deleted. Pure."""

from datetime import datetime, timedelta

from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import RunStatus


def expiry(spec: RunSpec, status: RunStatus) -> datetime | None:
    """Return when the run is to be deleted; None while it goes on, or if it is to stay."""
    if spec.ttl_seconds_after_finished is None or status.completion_time is None:
        return None
    return status.completion_time + timedelta(seconds=spec.ttl_seconds_after_finished)
