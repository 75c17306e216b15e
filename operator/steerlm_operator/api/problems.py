"""What is wrong with a run: all of it at once, each with field, line and what to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

Location = tuple[str | int, ...]
"""Field names and list indices from the top of the document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: str
    """`FILE:LINE`, or `--set spec.path`."""
    path: str
    """`spec.data.labelled[0].uri`; empty for the document itself."""
    message: str

    def __str__(self) -> str:
        """Return the one line that people read."""
        return ": ".join(part for part in (self.place, self.path, self.message) if part)


class InvalidRunError(ValueError):
    """A run that cannot be accepted."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def dotted(location: Location) -> str:
    """Return a location as people write it."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
