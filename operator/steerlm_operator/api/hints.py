"""What was probably meant where a run is wrong: a name, a place, a form. Pure."""

import difflib
import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steerlm_operator.api.problems import Location, dotted
from steerlm_operator.api.run import SteerLMRun


def meant_field(location: Location) -> str:
    """Return where a field that is not there belongs, or what there is in its place."""
    model = _model_at(location[:-1])
    known = [] if model is None else [_alias(*field) for field in model.model_fields.items()]
    name = str(location[-1])
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    places = _nearest(location, [place for place in _places(SteerLMRun) if place[-1] == name])
    if places:
        return f"; write it as {' or '.join(map(dotted, places))}"
    return f"; {dotted(location[:-1]) or 'the document'} has: {', '.join(known)}" if known else ""


def meant_word(value: object, allowed: str) -> str:
    """Return the allowed word that a value looks like.

    Args:
        value: What was given.
        allowed: Words in single quotes, as pydantic lists them.
    """
    words = {word.casefold(): word for word in re.findall(r"'([^']*)'", allowed)}
    close = difflib.get_close_matches(str(value).casefold(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[close[0]]}?" if close else ""


def meant_form(location: Location, value: str) -> str:
    """Return a single word as the mapping or the list that a field wants; empty if unclear."""
    field = _field_at(location)
    if field is None:
        return ""
    is_item = isinstance(location[-1], int)  # of a list whose field this is
    model = _model_in(field.annotation)
    single = value if model is None else _as_mapping(model, value)
    if not single:
        return ""
    return f": {single}" if is_item or not _is_list(field.annotation) else f": [{single}]"


def meaning_of(location: Location) -> str:
    """Return the first sentence of what is said about a field, small, behind a semicolon."""
    field = _field_at(location)
    said = "" if field is None else (field.description or "").partition(". ")[0].rstrip(".")
    return f"; {said[:1].lower()}{said[1:]}" if said else ""


def _as_mapping(model: type[BaseModel], value: str) -> str:
    """Return `{name: humor}`: the one field that must be given; an address where there is one."""
    required = [_alias(*field) for field in model.model_fields.items() if field[1].is_required()]
    names = ["uri"] if "uri" in required else required
    return f"{{{names[0]}: {value}}}" if len(names) == 1 else ""


def _nearest(location: Location, places: list[Location]) -> list[Location]:
    """Return the places that share most steps with a location; none if they are many."""

    def shared(place: Location) -> int:
        steps = [part for part in location if not isinstance(part, int)]
        equal = [a == b for a, b in zip(steps, place, strict=False)]
        return equal.index(False) if False in equal else len(equal)

    most = max(map(shared, places), default=0)
    nearest = [place for place in places if shared(place) == most]
    return nearest if len(nearest) <= 2 else []


def _places(model: type[BaseModel], at: Location = ()) -> Iterator[Location]:
    """Yield where the fields of a model, and of those in it, stand; items of lists uncounted."""
    for name, field in model.model_fields.items():
        here = (*at, _alias(name, field))
        yield here
        below = _model_in(field.annotation)
        if below is not None:
            yield from _places(below, here)


def _field_at(location: Location) -> FieldInfo | None:
    """Return the field at a location, or that of the list whose item is there."""
    names = [part for part in location if not isinstance(part, int)]
    model = _model_at(tuple(names[:-1])) if names else None
    fields = {} if model is None else model.model_fields
    return next((f for name, f in fields.items() if _alias(name, f) == names[-1]), None)


def _model_at(location: Location) -> type[BaseModel] | None:
    """Return the model of the mapping at a location; None if there is none."""
    model: type[BaseModel] | None = SteerLMRun
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        fields = model.model_fields.items()
        field = next((f for name, f in fields if _alias(name, f) == part), None)
        model = None if field is None else _model_in(field.annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:  # Any: a type form
    """Return the model that an annotation holds: itself, in a tuple, or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _is_list(annotation: Any) -> bool:  # Any: a type form
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_is_list, get_args(annotation)))
    return get_origin(annotation) is tuple


def _alias(name: str, field: FieldInfo) -> str:
    return field.alias or name
