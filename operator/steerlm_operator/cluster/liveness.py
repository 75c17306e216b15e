"""Whether the operator still works: decided from the signs of life that its tasks leave. Pure.

A task that ends, ends the process (`cluster/process.py`); here it is about those that hang.
"""

from dataclasses import dataclass
from typing import Final

MISSED_RELISTS: Final = 3
"""So many periods without a good list are a stall: one may fail for the API server's sake."""
MAX_PASS_SECONDS: Final = 600.0
"""A pass makes some ten calls, each of which gives up after 30 seconds (`cluster/client.py`)."""


@dataclass(frozen=True, slots=True)
class SignsOfLife:
    """When what last happened, in seconds of one clock that never jumps."""

    relisted_at: float
    """The last good list, or the start of the process before the first."""
    passes: tuple[tuple[str, float], ...] = ()
    """Runs that workers look at now, as namespace/name, and since when."""


def what_stalls(signs: SignsOfLife, relist_seconds: float, now: float) -> str:
    """Return one line that names what stands still; empty if all goes on."""
    silent = now - signs.relisted_at
    if silent > MISSED_RELISTS * relist_seconds:
        due = f"one is due every {relist_seconds:g} s"
        return f"relist: the last good one was {silent:.0f} s ago; {due}"
    name, since = min(signs.passes, key=lambda item: item[1], default=("", now))
    if now - since > MAX_PASS_SECONDS:
        return f"queue: a worker has looked at {name} for {now - since:.0f} s"
    return ""
