"""All chance comes from here: numbers and orders that depend on a seed and names alone."""

import hashlib
import random
from typing import Final

from steerlm_jobs.contract.fingerprint import canonical_json

_UNIT: Final = 1 << 53


def derived_seed(seed: int, *names: str | int) -> int:
    """Return a seed of its own (below 2**63) for what the names describe."""
    return int.from_bytes(_digest(seed, names)[:8], "big") >> 1


def unit_interval(seed: int, *names: str | int) -> float:
    """Return a number in [0, 1) that other names do not influence."""
    return (int.from_bytes(_digest(seed, names)[:8], "big") >> 11) / _UNIT


def seeded_order(n: int, seed: int, *names: str | int) -> list[int]:
    """Return 0..n-1 in an order that depends on n, seed and names."""
    order = list(range(n))
    random.Random(derived_seed(seed, *names)).shuffle(order)  # noqa: S311  # data order, no secret
    return order


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256(canonical_json([seed, *names]).encode()).digest()
