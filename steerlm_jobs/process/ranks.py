"""The processes that train one model together, as a stage sees them. Most often there is one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # stages without torch have ranks too: themselves
    from torch import Tensor


class Ranks(Protocol):
    """Agreement among all processes. Each call is made by all of them, in the same order."""

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""

    @property
    def size(self) -> int:
        """How many they are: the world size."""

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set on any rank."""

    def sum_of(self, *values: float) -> tuple[float, ...]:
        """Return for each value its sum over all ranks."""

    def first_says(self, text: str) -> str:
        """Return the text that rank 0 gave; the others' is ignored."""

    def add_up(self, tensor: "Tensor") -> None:
        """Replace a tensor by its sum over all ranks."""

    def send_first(self, tensor: "Tensor") -> None:
        """Replace a tensor by that of rank 0."""


class Alone:
    """One process: it agrees with itself."""

    rank = 0
    size = 1

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """Return the flags."""
        return flags

    def sum_of(self, *values: float) -> tuple[float, ...]:
        """Return the values."""
        return values

    def first_says(self, text: str) -> str:
        """Return the text."""
        return text

    def add_up(self, tensor: "Tensor") -> None:
        """Leave it."""

    def send_first(self, tensor: "Tensor") -> None:
        """Leave it."""


def own_share(num_items: int, ranks: Ranks) -> Sequence[int | None]:
    """Return which of `num_items` this rank works on; None fills up where there are too few.

    All ranks get equally many, and neighbours at the same time: items in order of size keep the
    ranks equally busy.
    """
    places = range(-(-num_items // ranks.size))
    own = (place * ranks.size + ranks.rank for place in places)
    return [item if item < num_items else None for item in own]
