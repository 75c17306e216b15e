"""From YAML text to a `SteerLMRun`, or to all that is wrong with it. Pure."""

import copy
import difflib
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from steerlm_operator.api.documents import Document, apply_overrides, read_document
from steerlm_operator.api.problems import InvalidRunError, Location, Problem, dotted
from steerlm_operator.api.rules import broken_rules
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.unsupported import unsupported

__all__ = ["InvalidRunError", "Problem", "load_run"]

_SHOWN_CHARACTERS: Final = 60
_HIDDEN: Final = ("env", "secretName", "tokenSecretName", "credentials")
"""Parts of paths whose values are never repeated: people paste secrets into them."""


def load_run(
    text: str, *, file_name: str, overrides: Mapping[str, object] | None = None
) -> SteerLMRun:
    """Return the run that a YAML text describes.

    Args:
        text: One YAML document.
        file_name: For messages.
        overrides: Values by path, `spec.bootstrap.iterations` say.

    Raises:
        InvalidRunError: With all problems at once, in the order of the file.
    """
    document = read_document(text, file_name)
    apply_overrides(document, overrides or {})
    _name_sources(document.value)
    try:
        run = SteerLMRun.model_validate(document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [document.problem(_location(d), _message(d)) for d in details]
        found += _broken_elsewhere(document, [_location(d) for d in details])
        raise InvalidRunError(_in_order(found)) from error
    broken = _broken(document, run)
    if broken:
        raise InvalidRunError(_in_order(broken))
    return run


def _broken(document: Document, run: SteerLMRun) -> list[Problem]:
    found = (*broken_rules(run), *unsupported(run))
    return [document.problem(at, message) for at, message in found]


def _broken_elsewhere(document: Document, wrong: list[Location]) -> list[Problem]:
    """Return the rules that what is left of a document breaks, without its wrong fields.

    So that a mistyped number does not hide a mistyped gate. Nothing, if too little is left.
    """
    rest = copy.deepcopy(document.value)
    for location in sorted(wrong, key=len, reverse=True):
        _remove(rest, location)
    try:
        run = SteerLMRun.model_validate(rest)
    except ValidationError:
        return []
    return _broken(document, run)


def _remove(value: Any, location: Location) -> None:  # Any: YAML
    """Take a field out of a document; list items stay, or later ones would change their place."""
    for part in location[:-1]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return  # the field around it is wrong itself
    if isinstance(value, dict):
        value.pop(location[-1], None)


def _name_sources(value: dict[str, Any]) -> None:
    """Give sources without a name that of their file, without its suffixes."""
    spec = value.get("spec")
    data = spec.get("data") if isinstance(spec, dict) else None
    if not isinstance(data, dict):
        return
    for part in ("labelled", "unlabelled"):
        sources = data.get(part)
        for source in sources if isinstance(sources, list) else ():
            if isinstance(source, dict) and "name" not in source and source.get("uri"):
                file = PurePosixPath(str(source["uri"]).rstrip("/")).name
                source["name"] = file.split(".")[0][:40]


def _in_order(problems: list[Problem]) -> list[Problem]:
    def line(problem: Problem) -> tuple[int, str]:
        number = problem.place.rpartition(":")[2]
        return (int(number) if number.isdigit() else 0, problem.path)

    return sorted(problems, key=line)


def _location(detail: ErrorDetails) -> Location:
    return tuple(part for part in detail["loc"] if not (isinstance(part, str) and "[" in part))


def _message(detail: ErrorDetails) -> str:
    location, context = _location(detail), detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return f"no such field{_meant(location)}"
        case "enum" | "literal_error":
            return f"is {_shown(detail, location)}; allowed: {context.get('expected', '')}"
        case "value_error":
            return f"is {_shown(detail, location)}: {context.get('error', detail['msg'])}"
        case _:
            return f"is {_shown(detail, location)}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _shown(detail: ErrorDetails, location: Location) -> str:
    """Return the value for a message: short, and not where a secret may stand."""
    value = detail["input"]
    if any(part in _HIDDEN for part in location):
        return "not as it should be"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _meant(location: Location) -> str:
    """Return a suggestion for a mistyped field."""
    known = _fields_at(SteerLMRun, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; {dotted(location[:-1]) or 'the document'} has: {', '.join(known)}" if known else ""


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the names of the fields that a mapping at a location may have."""
    for part in location:
        if isinstance(part, int):
            continue
        field = next((f for f in model.model_fields.values() if f.alias == part), None)
        below = None if field is None else _model_in(field.annotation)
        if below is None:
            return []
        model = below
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:  # Any: a type form
    """Return the model that an annotation holds: itself, in a tuple, or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None
