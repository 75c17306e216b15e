"""What can be said of a document in spite of its wrong fields: the rules that the rest breaks.

So that a mistyped number does not hide a mistyped gate. Wrong fields are taken out, then items
that cannot be without them; what is left is checked, and rules that the missing parts could have
kept are not held against it. Pure.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from pydantic import ValidationError

from steerlm_operator.api.problems import Broken, Location
from steerlm_operator.api.run import SteerLMRun

_ATTRIBUTES: Final = ("spec", "attributes")
_METERS: Final = ("spec", "stages", "evaluate", "meters")
_READS_NAMES: Final = (("spec", "stages", "evaluate"), ("spec", "data"))
"""Where attributes are named."""
_READS_RANGES: Final = ("spec", "bootstrap")
_READS_METERS: Final = ("spec", "stages", "evaluate", "gates")


def broken_elsewhere(
    value: object,
    wrong: Iterable[Location],
    validated: Callable[[object], SteerLMRun],
    rules: Callable[[SteerLMRun], Iterable[Broken]],
) -> list[Broken]:
    """Return the rules that a document breaks beside its wrong fields; none if too little is left.

    Args:
        value: The document.
        wrong: Locations of its wrong fields.
        validated: Makes a run of a document, or raises ValidationError.
        rules: Returns what a run breaks.
    """
    gone = set(wrong)
    while True:
        origins: dict[Location, list[int]] = {}
        rest = _without(value, gone, (), origins)
        try:
            run = validated(rest)
        except ValidationError as error:
            more = {
                _original(d["loc"][:-1] if d["type"] == "missing" else d["loc"], origins)
                for d in error.errors(include_url=False)
            }
            if more <= gone or any(len(location) < len(_ATTRIBUTES) for location in more):
                return []
            gone |= more
        else:
            found = [(_original(at, origins), message) for at, message in rules(run)]
            return [(at, message) for at, message in found if not _may_be_kept(at, gone)]


def _without(
    value: Any, gone: set[Location], at: Location, origins: dict[Location, list[int]]
) -> Any:
    """Return a copy without some locations; `origins` gets the old place of each list item."""
    if isinstance(value, dict):
        return {
            key: _without(below, gone, (*at, key), origins)
            for key, below in value.items()
            if (*at, key) not in gone
        }
    if isinstance(value, list):
        origins[at] = [i for i in range(len(value)) if (*at, i) not in gone]
        return [_without(value[i], gone, (*at, i), origins) for i in origins[at]]
    return value


def _original(location: Location, origins: dict[Location, list[int]]) -> Location:
    """Return where a location of the copy lies in the whole document."""
    old: Location = ()
    for part in location:
        old = (*old, origins[old][part] if isinstance(part, int) and old in origins else part)
    return old


def _may_be_kept(at: Location, gone: set[Location]) -> bool:
    """Return True where what is gone could have kept the rule."""
    attributes = [g for g in gone if _is_in(g, _ATTRIBUTES)]
    has_nameless = any(len(g) <= 3 or g[3] == "name" for g in attributes)
    return (
        any(_is_in(g, at) for g in gone)
        or any(_is_in(at, g[:3]) for g in attributes)
        or (bool(attributes) and _is_in(at, _READS_RANGES))
        or (has_nameless and any(_is_in(at, part) for part in _READS_NAMES))
        or (any(_is_in(g, _METERS) for g in gone) and _is_in(at, _READS_METERS))
    )


def _is_in(location: Location, part: Location) -> bool:
    return location[: len(part)] == part
