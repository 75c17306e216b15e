"""A document against the structural schema: what an API server would say of its values. Pure.

Every keyword that `structural` writes is checked here but three kinds: CEL rules and keys of lists,
which `api` has in Python, and unknown fields, which the models refuse. A keyword that nobody checks
fails.
"""

import re
from collections.abc import Callable, Container, Iterator
from typing import Any, Final

from steerlm_operator.api.loading import HIDDEN
from steerlm_operator.api.problems import Broken, Location
from steerlm_operator.crd.structural import Schema

_MAX_INT64: Final = (1 << 63) - 1
_TYPES: Final[dict[str, str]] = {
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "integer": "a whole number",
}
"""As the schema has them, and as people say it."""
_CLASSES: Final = {"string": str, "boolean": bool, "array": list, "object": dict}
_NOT_CHECKED: Final = frozenset(
    {"type", "description", "default", "x-kubernetes-validations"}
    | {"x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"}
    | {"exclusiveMinimum", "exclusiveMaximum"}  # minimum and maximum look at them
)


def nonconformities(
    value: Any, schema: Schema, *, unquoted: Container[Location] = ()
) -> Iterator[Broken]:  # Any: YAML
    """Yield where a document breaks a structural schema, and what to write instead.

    Args:
        value: The document as kubectl reads it.
        schema: Of the whole object.
        unquoted: Where a number counts as text: values of `--set`, whose quotes the shell takes.

    Raises:
        KeyError: The schema has a keyword that this module does not know.
    """
    return _broken(value, schema, (), unquoted)


def _broken(
    value: Any, schema: Schema, at: Location, unquoted: Container[Location]
) -> Iterator[Broken]:
    kind = schema["type"]
    if kind == "string" and _is_number(value) and at in unquoted:
        value = repr(value)
    if not _is_of(value, kind):
        yield at, _wrong_type(value, kind, at)
        return
    for keyword, limit in schema.items():
        if keyword in _NOT_CHECKED:
            continue
        if keyword not in _BELOW:
            message = _CHECKS[keyword](value, limit, schema)
            if message:
                yield at, f"{message} on a cluster"
    if kind == "object":
        yield from _of_mapping(value, schema, at, unquoted)
    elif kind == "array":
        yield from _of_list(value, schema, at, unquoted)


def _of_mapping(
    value: dict[str, Any], schema: Schema, at: Location, unquoted: Container[Location]
) -> Iterator[Broken]:
    present = {key: child for key, child in value.items() if child is not None}  # null is absent
    for name in schema.get("required", ()):
        if name not in present:
            yield (*at, name), "is required on a cluster"
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, child in present.items():
        node = fields.get(key, others)
        if node is not None:
            yield from _broken(child, node, (*at, key), unquoted)


def _of_list(
    value: list[Any], schema: Schema, at: Location, unquoted: Container[Location]
) -> Iterator[Broken]:
    for index, child in enumerate(value):
        yield from _broken(child, schema["items"], (*at, index), unquoted)


def _is_of(value: Any, kind: str) -> bool:
    if kind == "integer":
        return _is_number(value) and value == value // 1 and abs(value) <= _MAX_INT64
    return isinstance(value, _CLASSES[kind])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong_type(value: Any, kind: str, at: Location) -> str:
    is_secret = any(part in HIDDEN for part in at)
    if kind == "string" and isinstance(value, bool):
        return "is true or false to kubectl, and a cluster takes text: put it in quotes"
    if kind == "string" and _is_number(value):
        if is_secret:
            return "is a number, and a cluster takes text: put it in quotes"
        return f'is the number {value!r}, and a cluster takes text: write "{value!r}", in quotes'
    return f"is {_said(value, is_secret=is_secret)}, and a cluster takes {_TYPES[kind]}"


def _said(value: Any, *, is_secret: bool) -> str:
    if value is None:
        return "empty"
    if _is_number(value):
        return "a number" if is_secret else f"the number {value!r}"
    return next(words for kind, words in _TYPES.items() if _is_of(value, kind))


def _sized(unit: str, *, is_most: bool) -> Callable[[Any, Any, Schema], str]:
    def check(value: Any, limit: Any, _: Schema) -> str:
        is_kept = len(value) <= limit if is_most else len(value) >= limit
        return (
            ""
            if is_kept
            else f"has {len(value)} {unit}; at {'most' if is_most else 'least'} {limit}"
        )

    return check


def _least(value: Any, limit: Any, schema: Schema) -> str:
    if value > limit or (value == limit and not schema.get("exclusiveMinimum")):
        return ""
    return f"is {value}; {'above' if schema.get('exclusiveMinimum') else 'at least'} {limit}"


def _most(value: Any, limit: Any, schema: Schema) -> str:
    if value < limit or (value == limit and not schema.get("exclusiveMaximum")):
        return ""
    return f"is {value}; {'below' if schema.get('exclusiveMaximum') else 'at most'} {limit}"


def _enum(value: Any, allowed: Any, _: Schema) -> str:
    return "" if value in allowed else f"allowed: {', '.join(map(repr, allowed))}"


def _pattern(value: Any, pattern: Any, _: Schema) -> str:
    is_kept = re.search(pattern.replace("$", r"\Z"), value)  # Go's $ lets no newline follow
    return "" if is_kept else f"should match pattern '{pattern}'"


_BELOW: Final = frozenset({"properties", "additionalProperties", "items", "required"})
_CHECKS: Final[dict[str, Callable[[Any, Any, Schema], str]]] = {
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _sized("characters", is_most=False),
    "maxLength": _sized("characters", is_most=True),
    "minItems": _sized("items", is_most=False),
    "maxItems": _sized("items", is_most=True),
    "maxProperties": _sized("keys", is_most=True),
    "minimum": _least,
    "maximum": _most,
}
KEYWORDS: Final = _NOT_CHECKED | _BELOW | frozenset(_CHECKS)
"""All that a schema may have."""
