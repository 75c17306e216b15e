"""Whether a status is worth a write: progress is, once a minute. Pure.

So are the words of a refusal: an admission webhook may put the number of the request into them.
"""

from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.conditions import Condition
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageStatus

PROGRESS_PAUSE: Final = timedelta(seconds=60)
"""Between two writes that tell of nothing but progress: a thousand runs have one server."""
_REFUSALS: Final = frozenset({Reason.LAUNCH_REFUSED, Reason.SERVER_REFUSED})


def write_at(
    before: RunStatus | None, after: RunStatus, progress_written_at: datetime | None, now: datetime
) -> datetime | None:
    """Return when to write a status: now, a little later, or never (None).

    Args:
        before: As it is recorded.
        after: As it is to be.
        progress_written_at: When a write last told of minor news alone; None: not yet.
        now: The time.
    """
    if before == after:
        return None
    if before is None or progress_written_at is None or not is_minor(before, after):
        return now
    return max(now, progress_written_at + PROGRESS_PAUSE)


def is_minor(before: RunStatus, after: RunStatus) -> bool:
    """Return True if two statuses differ in progress or in the words of a refusal at most."""
    if [s.name for s in before.stages] != [s.name for s in after.stages]:
        return False
    if [c.type for c in before.conditions] != [c.type for c in after.conditions]:
        return False
    stages = zip(before.stages, after.stages, strict=True)
    conditions = zip(before.conditions, after.conditions, strict=True)
    return before == after.model_copy(
        update={
            "stage_progress": before.stage_progress,
            "stages": tuple(_without_news(old, new) for old, new in stages),
            "conditions": tuple(_in_old_words(old, new) for old, new in conditions),
        }
    )


def _without_news(old: StageStatus, new: StageStatus) -> StageStatus:
    kept: dict[str, object] = {"progress": old.progress, "eta": old.eta}
    if old.reason is new.reason and new.reason in _REFUSALS:
        kept["message"] = old.message
    return new.model_copy(update=kept)


def _in_old_words(old: Condition, new: Condition) -> Condition:
    if old.reason is not new.reason or new.reason not in _REFUSALS:
        return new
    return new.model_copy(update={"message": old.message})
