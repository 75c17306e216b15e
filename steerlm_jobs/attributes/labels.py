"""Labels: integers on an attribute's scale, their text, and how scores become labels."""

import math
from collections.abc import Mapping

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute


def label_text(labels: Mapping[str, int], schema: Schema) -> str:
    """Return `quality:4,humor:0`: the known labels in the schema's order, no spaces.

    Raises:
        ValueError: A label names no attribute of the schema, or is outside its range.
    """
    for name, label in labels.items():
        _check(name, label, schema)
    return ",".join(f"{name}:{labels[name]}" for name in schema.names if name in labels)


def parse_label_text(text: str, schema: Schema) -> dict[str, int]:
    """Read what `label_text` writes; any order is accepted.

    Raises:
        ValueError: Not of the form, an unknown or repeated name, or a label outside its range.
    """
    labels: dict[str, int] = {}
    for item in text.split(",") if text else ():
        name, colon, value = item.partition(":")
        digits = value.removeprefix("-")
        if not colon or not (digits.isascii() and digits.isdigit()):
            msg = f"{item!r} is not name:integer"
            raise ValueError(msg)
        if name in labels:
            msg = f"{name} is given twice"
            raise ValueError(msg)
        _check(name, int(value), schema)
        labels[name] = int(value)
    return labels


def quantise(score: float, attribute: Attribute) -> int:
    """Round half up and clamp to the attribute's range.

    Not the built-in `round`: it rounds half to even, so 0.5 and 2.5 would move down while 1.5 and
    3.5 move up.
    """
    return min(attribute.max, max(attribute.min, math.floor(score + 0.5)))


def from_unit(value: float, attribute: Attribute) -> float:
    """Return a value of 0..1 on the attribute's scale, not rounded."""
    return attribute.min + value * (attribute.max - attribute.min)


def to_unit(label: float, attribute: Attribute) -> float:
    """Return a label or score as 0..1; 0 for an attribute with one level."""
    width = attribute.max - attribute.min
    return (label - attribute.min) / width if width else 0.0


def _check(name: str, label: int, schema: Schema) -> None:
    scale = schema.scale(name)
    if not scale.min <= label <= scale.max:
        msg = f"{name}:{label} is outside {scale.min}..{scale.max}"
        raise ValueError(msg)
