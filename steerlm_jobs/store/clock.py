"""The only module of the jobs that reads the clock. Times are telemetry, never part of a result."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def timestamp() -> str:
    """Return the present as `2026-11-05T12:00:00Z`."""
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


def monotonic_seconds() -> float:
    """Return seconds since some moment, for durations: never falls when the clock is set."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait; a signal handler runs in between."""
    time.sleep(seconds)
