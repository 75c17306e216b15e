"""Which originals join the samples of a bootstrap iteration (method: `originalFraction`). Pure.

A seeded order of all originals; the first that can be learnt from, as many as are wanted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from steerlm_jobs.data.seeds import seeded_order

R = TypeVar("R")
"""What an original becomes: a row to learn from."""


@dataclass(frozen=True, slots=True)
class Originals(Generic[R]):
    """The originals of one mixture."""

    rows: tuple[R, ...]
    """In the order in which they are stored."""
    num_passed_over: int
    """Drawn before the last of them, and impossible to learn from."""


def num_originals(num_samples: int, num_available: int, original_fraction: float) -> int:
    """Return how many originals make up their fraction of the mixture, if there are so many."""
    wanted = round(num_samples * original_fraction / (1 - original_fraction))
    return min(wanted, num_available)


def few_originals(reached: float, wanted: float, num_available: int, num_too_long: int) -> str:
    """Return the note of a mixture with a smaller fraction of originals than was wanted."""
    too_long = f", of which {num_too_long} do not fit" if num_too_long else ""
    shares = f"originals are {reached:.2f} of the mixture, not {wanted:.2f}"
    return f"{shares}: there are {num_available}{too_long}"


def drawn_originals(
    num_available: int,
    num_wanted: int,
    seed: int,
    read: Callable[[frozenset[int]], Mapping[int, R]],
) -> Originals[R]:
    """Return a seeded choice among the originals that can be learnt from.

    Args:
        num_available: How many are stored, at places 0, 1, ...
        num_wanted: How many to draw; fewer are returned where not so many can be learnt from.
        seed: Of the choice.
        read: Returns the rows at these places, without those that cannot be learnt from. Called
            once where all that are drawn fit, and else with twice as many places each time: each
            call may read through the whole store.
    """
    order = seeded_order(num_available, seed, "originals")
    found: dict[int, R] = {}
    end = 0
    while len(found) < num_wanted and end < num_available:
        start, end = end, min(num_available, max(2 * end, num_wanted))
        found |= read(frozenset(order[start:end]))
    fitting = [draw for draw in range(end) if order[draw] in found][:num_wanted]
    if fitting and len(fitting) == num_wanted:
        end = fitting[-1] + 1
    places = sorted(order[draw] for draw in fitting)
    return Originals(tuple(found[place] for place in places), end - len(fitting))
