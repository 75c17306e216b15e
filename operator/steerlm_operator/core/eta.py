"""When an attempt will end if it goes on as it has. Pure."""

from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.core.observed import Attempt

MOST: Final = timedelta(days=3650)
"""An end farther ahead says nothing, and may be no date at all."""
_MICROSECOND: Final = timedelta(microseconds=1)


def eta(attempt: Attempt, resumed_from: int) -> datetime | None:
    """Return the time, to the second; None while nothing can be said, or it is years ahead.

    It changes only with the progress, never with the time alone: a status is written for news.

    Args:
        attempt: One that runs.
        resumed_from: Units that were done when it started.
    """
    progress, seen_at, since = attempt.progress, attempt.progressed_at, attempt.started_at
    if progress is None or seen_at is None or since is None:
        return None
    made, left = progress.done - resumed_from, progress.total - progress.done
    if made <= 0 or left < 0 or seen_at <= since:
        return None
    if (seen_at - since) // _MICROSECOND * left > MOST // _MICROSECOND * made:
        return None  # compared as whole numbers: a stage may say any number of units
    return (seen_at + (seen_at - since) * left / made).replace(microsecond=0)
