"""The status of a run object as the model of the API. Pure.

It may be from a newer operator, after a roll-back: what we do not know of it is passed over as far
as the rest can still be acted on. Where it cannot, nothing may be done about the run at all: one
that has ended would be taken for one that has never started.
"""

from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError

from steerlm_operator.api.status import MAX_METRICS, RunStatus
from steerlm_operator.cluster.api import Object

_MAX_WORDS: Final = 300


class UnreadableStatusError(Exception):
    """A status that is there and cannot be read; the message says where, in one line."""


def recorded_status(found: Object) -> RunStatus | None:
    """Return the status of a run object; None if nothing is recorded yet.

    Fields and reasons that are unknown count as not there, a condition of an unknown kind, too.

    Raises:
        UnreadableStatusError: What is left says of no stage for certain how far it is.
    """
    status = found.get("status")
    if not status:
        return None
    try:
        return RunStatus.model_validate(status)
    except ValidationError as error:
        known = _without_unknown(status, error)
    try:
        return RunStatus.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        msg = f"status.{place}: {first['msg']}"[:_MAX_WORDS]
        raise UnreadableStatusError(msg) from None


def _without_unknown(status: Object, error: ValidationError) -> Object:
    """Return a copy without what a newer operator alone knows, as far as we can do without."""
    known = deepcopy(status)
    odd_conditions: set[int] = set()
    for found in error.errors(include_url=False, include_input=False):
        *places, last = found["loc"] or ("",)
        if places and places[0] == "conditions" and found["type"] == "enum":
            odd_conditions.add(int(places[1]))
            continue
        parent = _at(known, places)
        if not isinstance(parent, dict) or last not in parent:
            continue
        match found["type"]:
            case "extra_forbidden":
                del parent[last]
            case "enum" if last in {"reason", "phase"}:
                del parent[last]
            case "string_too_long":
                parent[last] = parent[last][: found["ctx"]["max_length"]]
            case "too_long" if last == "metrics":
                parent[last] = dict(list(parent[last].items())[:MAX_METRICS])
    if odd_conditions:
        known["conditions"] = [
            condition
            for number, condition in enumerate(known["conditions"])
            if number not in odd_conditions
        ]
    return known


def _at(found: Any, places: list[int | str]) -> Any:  # Any: JSON
    """Return what lies at a place; None if the place is none."""
    for place in places:
        is_there = (isinstance(found, dict) and place in found) or (
            isinstance(found, list) and isinstance(place, int) and place < len(found)
        )
        if not is_there:
            return None
        found = found[place]
    return found
