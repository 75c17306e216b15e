"""What is wrong with a run: all of it at once, each with field, line and what to do. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Location = tuple[str | int, ...]
"""Field names and list indices from the top of the document."""
Broken = tuple[Location, str]
"""A rule that is broken: where, and what to do."""


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
    for name in location:
        part = repr(name) if isinstance(name, str) and not name.isprintable() else name
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def may_hold_a_secret(text: str) -> bool:
    """Return True where a text may be an address with credentials or a signature in it."""
    return "@" in text or "?" in text or text.startswith("//")


def repeats(names: Sequence[str]) -> list[int]:
    """Return the positions at which a name occurs again."""
    return [index for index, name in enumerate(names) if name in names[:index]]


def no_attribute(name: str, attributes: Iterable[str]) -> str:
    """Return the line for a name that should be an attribute's."""
    return f"{name!r} is no attribute of this run ({', '.join(sorted(attributes))})"
