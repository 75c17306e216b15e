"""Whether a status is worth a write: progress is, once a minute. Pure."""

from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.status import RunStatus

PROGRESS_PAUSE: Final = timedelta(seconds=60)
"""Between two writes that tell of nothing but progress: a thousand runs have one server."""


def write_at(
    before: RunStatus | None, after: RunStatus, progress_written_at: datetime | None, now: datetime
) -> datetime | None:
    """Return when to write a status: now, a little later, or never (None).

    Args:
        before: As it is recorded.
        after: As it is to be.
        progress_written_at: When a write last told of progress alone; None: not yet.
        now: The time.
    """
    if before == after:
        return None
    if before is None or progress_written_at is None or not is_progress_alone(before, after):
        return now
    return max(now, progress_written_at + PROGRESS_PAUSE)


def is_progress_alone(before: RunStatus, after: RunStatus) -> bool:
    """Return True if two statuses differ in the progress of their stages at most."""
    return len(before.stages) == len(after.stages) and before == after.model_copy(
        update={
            "stages": tuple(
                new.model_copy(update={"progress": old.progress, "eta": old.eta})
                for old, new in zip(before.stages, after.stages, strict=True)
            )
        }
    )
