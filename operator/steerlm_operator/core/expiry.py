"""When a run that has ended is deleted. Pure."""

from datetime import datetime, timedelta

from steerlm_operator.api.conditions import ConditionType
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import RunStatus
from steerlm_operator.core.serving import Wish, wish


def expiry(spec: RunSpec, status: RunStatus) -> datetime | None:
    """Return when the run is to be deleted; None while it goes on or serves, or if it is to stay.

    The time runs anew from when it ceased to serve: its end would take the server along.
    """
    ttl = spec.ttl_seconds_after_finished
    if ttl is None or status.completion_time is None:
        return None
    if status.serving is not None or wish(spec, status) is Wish.SERVE:
        return None
    ceased = (
        condition.last_transition_time
        for condition in status.conditions
        if condition.type is ConditionType.SERVING
    )
    times = [status.completion_time, *(time for time in ceased if time is not None)]
    return max(times) + timedelta(seconds=ttl)
