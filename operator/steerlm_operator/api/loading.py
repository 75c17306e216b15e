"""From YAML text to a `SteerLMRun`, or to all that is wrong with it. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from steerlm_operator.api.documents import Document, apply_overrides, read_document
from steerlm_operator.api.hints import meaning_of, meant_field, meant_form, meant_word
from steerlm_operator.api.partial import broken_elsewhere
from steerlm_operator.api.problems import (
    Broken,
    InvalidRunError,
    Location,
    Problem,
    may_hold_a_secret,
)
from steerlm_operator.api.rules import broken_rules
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.unsupported import unsupported

__all__ = ["InvalidRunError", "Problem", "load_run", "run_in", "run_of"]

_SHOWN_CHARACTERS: Final = 60
HIDDEN: Final = ("env", "secretName", "tokenSecretName", "credentials", "annotations")
"""Parts of paths whose values are never repeated: people paste secrets into them."""
FROM_STAGE: Final = ("spec", "retry", "fromStage")
Rules = Callable[[SteerLMRun], Iterable[Broken]]


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
    return run_in(read_document(text, file_name), overrides or {})


def run_in(
    document: Document, overrides: Mapping[str, object], rules: Rules | None = None
) -> SteerLMRun:
    """Return the run that a document is after some changes, which are made in it.

    Args:
        document: As it was read.
        overrides: Values by path.
        rules: Yields what a run breaks; absent: the rules that hold everywhere.

    Raises:
        InvalidRunError: With all problems at once, in the order of the file.
    """
    name_sources(document.value)
    apply_overrides(document, overrides)
    return _loaded(document, rules or rules_of_all)


def run_of(found: dict[str, Any]) -> tuple[SteerLMRun | None, tuple[Problem, ...]]:  # Any: JSON
    """Return the run that an object of an API server is, and all that is wrong with it.

    None if it cannot be read. One that breaks a rule can: its suspend and shutdown are obeyed. A
    `retry.fromStage` that names no stage is a problem of the retry, not of the run.

    Args:
        found: The object; it may be changed on the way.
    """
    document = Document("", found)
    try:
        run = _read(document, rules_of_all)
    except InvalidRunError as error:
        return None, error.problems
    broken = [document.problem(*found) for found in rules_of_all(run) if found[0] != FROM_STAGE]
    return run, tuple(in_order(broken))


def _loaded(document: Document, rules: Rules) -> SteerLMRun:
    run = _read(document, rules)
    broken = tuple(rules(run))
    if broken:
        raise InvalidRunError(in_order([document.problem(*found) for found in broken]))
    return run


def _read(document: Document, rules: Rules) -> SteerLMRun:
    name_sources(document.value)
    try:
        return _validated(document.value)
    except ValidationError as error:
        details = _independent(error.errors(include_url=False))
        found = [document.problem(_location(d), _message(d)) for d in details]
        wrong = [_location(d) for d in details]
        others = broken_elsewhere(document.value, wrong, _validated, rules)
        found += [document.problem(*other) for other in others]
        raise InvalidRunError(in_order(found)) from error


def rules_of_all(run: SteerLMRun) -> tuple[Broken, ...]:
    """Return every rule that a run breaks, wherever it is to run."""
    return (*broken_rules(run), *unsupported(run))


def _validated(value: object) -> SteerLMRun:
    """Check types as an API server does: as JSON, so `"5"` is no integer; by camelCase names."""
    text = json.dumps(value, default=str)
    return SteerLMRun.model_validate_json(text, strict=True, by_alias=True, by_name=False)


def _independent(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where its items were wrong: they were not counted."""
    return [
        d
        for d in details
        if d["type"] != "too_short"
        or not any(o is not d and o["loc"][: len(d["loc"])] == d["loc"] for o in details)
    ]


def name_sources(value: dict[str, Any]) -> dict[Location, dict[str, Any]]:
    """Give sources without a name that of their file, without its suffixes; return them."""
    nameless = {
        at: source for at, source in _sources(value) if "name" not in source and source.get("uri")
    }
    for source in nameless.values():
        file = PurePosixPath(str(source["uri"]).rstrip("/")).name
        source["name"] = file.split(".")[0][:40]
    return nameless


def _sources(value: dict[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    spec = value.get("spec")
    data = spec.get("data") if isinstance(spec, dict) else None
    for part in ("labelled", "unlabelled"):
        sources = data.get(part) if isinstance(data, dict) else None
        for index, source in enumerate(sources if isinstance(sources, list) else ()):
            if isinstance(source, dict):
                yield ("spec", "data", part, index), source


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return problems by line, then by path."""

    def line(problem: Problem) -> tuple[int, str]:
        number = problem.place.rpartition(":")[2]
        return (int(number) if number.isdigit() else 0, problem.path)

    return sorted(problems, key=line)


def _location(detail: ErrorDetails) -> Location:
    return tuple(part for part in detail["loc"] if not (isinstance(part, str) and "[" in part))


def _message(detail: ErrorDetails) -> str:
    location, context, value = _location(detail), detail.get("ctx", {}), detail["input"]
    match detail["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return f"no such field{meant_field(location)}"
        case "enum" | "literal_error":
            allowed = str(context.get("expected", ""))
            return f"is {_shown(detail, location)}; allowed: {allowed}{meant_word(value, allowed)}"
        case "value_error":
            return f"is {_shown(detail, location)}: {context.get('error', detail['msg'])}"
        case "too_short" | "too_long" as kind if "actual_length" in context:
            bound = (
                f"at least {context['min_length']}"
                if kind == "too_short"
                else f"at most {context['max_length']}"
            )
            return f"has {context['actual_length']} items; {bound}"
        case "tuple_type":
            return f"is {_shown(detail, location)}; it should be a list{_example(detail)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"is {_shown(detail, location)}; it should be a mapping{_example(detail)}"
        case "string_pattern_mismatch":
            pattern = context.get("pattern", "")
            shown, said = _shown(detail, location), meaning_of(location)
            return f"is {shown}: string should match pattern '{pattern}'{said}"
        case _:
            return f"is {_shown(detail, location)}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _example(detail: ErrorDetails) -> str:
    """Return how a single word is written where more is wanted; empty for what may be secret."""
    location, value = _location(detail), detail["input"]
    is_plain = isinstance(value, str) and _shown(detail, location) == repr(value)
    return meant_form(location, str(value)) if is_plain else ""


def _shown(detail: ErrorDetails, location: Location) -> str:
    """Return the value for a message: short, and not where a secret may stand."""
    value = detail["input"]
    if any(part in HIDDEN for part in location):
        return "not as it should be"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
    text = repr(value)
    if isinstance(value, str) and may_hold_a_secret(value):
        return "not shown, for it may hold credentials"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
