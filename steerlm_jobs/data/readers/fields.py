"""Fields of a record, checked: each error names the place, the field and what was found."""

from typing import Any

from steerlm_jobs.contract.errors import BadInputError


def text_field(value: dict[str, Any], name: str, place: str) -> str:  # Any: JSON
    """Return a string field, stripped.

    Raises:
        BadInputError: It is missing or no string.
    """
    found = value.get(name)
    if not isinstance(found, str):
        state = f"is {kind_of(found)}, not text" if name in value else "is missing"
        msg = f"{place}: field {name!r} {state}; correct the record or take it out"
        raise BadInputError(msg)
    return writable(found).strip()


def kind_of(value: object) -> str:
    """Return what a person calls the kind of a value that is of the wrong one."""
    return "null" if value is None else type(value).__name__


def writable(value: object) -> str:
    """Return a text that UTF-8 can hold: JSON's escapes may spell lone surrogates."""
    return str(value).encode("utf-8", "replace").decode()


def list_field(value: dict[str, Any], name: str, place: str) -> list[Any]:  # Any: JSON
    """Return a list field; missing or null is empty.

    Raises:
        BadInputError: It is something else.
    """
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        msg = f"{place}: field {name!r} is {kind_of(found)}, not a list"
        raise BadInputError(msg)
    return found


def number(found: Any, name: str, place: str) -> float:  # Any: JSON
    """Return a finite number.

    Raises:
        BadInputError: It is none.
    """
    if isinstance(found, bool) or not isinstance(found, int | float) or found != found:
        hint = "; take the quotes away" if isinstance(found, str) and _is_number(found) else ""
        msg = f"{place}: {name} is {found!r}, not a number{hint}"
        raise BadInputError(msg)
    if abs(found) > 1e9:  # no scale reaches there; keeps int() of infinities away
        msg = f"{place}: {name} is out of any range"
        raise BadInputError(msg)
    return float(found)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
