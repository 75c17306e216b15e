"""The operator side's only reader of the clock."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time as it goes into a status: UTC, whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def pause(seconds: float) -> None:
    """Wait; a signal handler runs in between."""
    time.sleep(seconds)
