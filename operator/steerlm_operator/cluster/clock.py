"""The clock of the operator in a cluster."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time, to the second: finer ones would make statuses differ for nothing."""
    return datetime.now(UTC).replace(microsecond=0)
