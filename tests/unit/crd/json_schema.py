"""What an editor does with a JSON schema: the keywords that ours has, and no other."""

import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]
_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_SAID_ELSEWHERE = {"$schema", "$defs", "title", "description", "default"}


def complaints(schema: Node, value: Any) -> list[str]:
    """Return where a value breaks a schema, and by which keyword.

    Raises:
        KeyError: The schema has a keyword that this module does not know.
    """
    return [f"{at or '.'}: {keyword}" for at, keyword in _broken(schema, value, "", schema)]


def _broken(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    for keyword, limit in node.items():
        if keyword in _SAID_ELSEWHERE:
            continue
        if keyword in _BELOW:
            yield from _BELOW[keyword](node, value, at, root)
        elif not _HOLDS[keyword](value, limit):
            yield at, keyword


def _reference(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    return _broken(root["$defs"][node["$ref"].removeprefix("#/$defs/")], value, at, root)


def _any_of(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    found = [list(_broken(arm, value, at, root)) for arm in node["anyOf"]]
    if all(found):
        yield from max(found, key=lambda broken: max(len(at) for at, _ in broken))


def _properties(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    for name, child in value.items() if isinstance(value, dict) else ():
        if name in node["properties"]:
            yield from _broken(node["properties"][name], child, f"{at}.{name}", root)


def _additional(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    allowed = node["additionalProperties"]
    for name, child in value.items() if isinstance(value, dict) else ():
        if name in node.get("properties", {}) or allowed is True:
            continue
        if allowed is False:
            yield f"{at}.{name}", "additionalProperties"
        else:
            yield from _broken(allowed, child, f"{at}.{name}", root)


def _items(node: Node, value: Any, at: str, root: Node) -> Iterator[tuple[str, str]]:
    for index, child in enumerate(value if isinstance(value, list) else ()):
        yield from _broken(node["items"], child, f"{at}[{index}]", root)


_BELOW = {
    "$ref": _reference,
    "anyOf": _any_of,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
}
_HOLDS = {
    "type": lambda v, name: (
        isinstance(v, _TYPES[name]) and (name == "boolean" or not isinstance(v, bool))
    ),
    "const": lambda v, one: v == one,
    "enum": lambda v, several: v in several,
    "required": lambda v, names: not isinstance(v, dict) or set(names) <= set(v),
    "pattern": lambda v, text: not isinstance(v, str) or re.search(text, v) is not None,
    "minLength": lambda v, size: not isinstance(v, str) or len(v) >= size,
    "maxLength": lambda v, size: not isinstance(v, str) or len(v) <= size,
    "minItems": lambda v, size: not isinstance(v, list) or len(v) >= size,
    "maxItems": lambda v, size: not isinstance(v, list) or len(v) <= size,
    "maxProperties": lambda v, size: not isinstance(v, dict) or len(v) <= size,
    "minimum": lambda v, bound: not isinstance(v, int | float) or v >= bound,
    "maximum": lambda v, bound: not isinstance(v, int | float) or v <= bound,
    "exclusiveMinimum": lambda v, bound: not isinstance(v, int | float) or v > bound,
    "exclusiveMaximum": lambda v, bound: not isinstance(v, int | float) or v < bound,
}
