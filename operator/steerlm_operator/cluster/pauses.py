"""How long to wait before the next try or look: with jitter, so that not all come at once."""

import hashlib
from typing import Final

JITTER: Final = 0.2
"""Pauses differ by up to this share from what they would be."""
_FIRST_SECONDS: Final = 0.5
_MAX_SECONDS: Final = 60.0


def draw_of(*parts: object) -> float:
    """Return a number from 0 to 1 that these parts alone decide: others get others."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 0xFFFFFFFF


def backoff_seconds(num_failures: int, asked_seconds: float, draw: float) -> float:
    """Return the pause after so many failures in a row: twice as long each time.

    Args:
        num_failures: At least 1.
        asked_seconds: What the server asked for (Retry-After); the pause is never shorter.
        draw: From 0 to 1, another one for each run.
    """
    grown = min(_MAX_SECONDS, _FIRST_SECONDS * 2.0 ** min(num_failures - 1, 10))
    return max(asked_seconds * (1 + JITTER * draw), spread_seconds(grown, draw))


def spread_seconds(seconds: float, draw: float) -> float:
    """Return a pause of about so many seconds; `draw` is from 0 to 1."""
    return seconds * (1 - JITTER + 2 * JITTER * draw)
