"""From the labels of a source to those of the run's attributes, on their scales."""

from collections.abc import Mapping, Sequence
from typing import Final, Self

from steerlm_jobs.attributes.labels import from_unit, quantise
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.recipes import LabelSource, Meter, Source
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.meters import METERS, edge_places, level_of
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn
from steerlm_jobs.data.scratch_database import scratch_database

OASST_ONLY: Final = "helpfulness"
"""OASST's helpfulness is not HelpSteer's: it maps only where the spec says so."""


_MEASURES: Final = """
CREATE TABLE measure (name TEXT, value REAL, number INTEGER, PRIMARY KEY (name, value, number))
WITHOUT ROWID
"""


class MeterEdges:
    """Level edges of the meters that a source's labels come from: quantiles, found on disk."""

    def __init__(self) -> None:
        self._measures = scratch_database(_MEASURES)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._measures.close()

    def collect(self, source: Source, conversation: RawConversation) -> None:
        """Take the measures of a training conversation's answers."""
        for label, meter in meter_labels(source):
            for turn in conversation.turns:
                if turn.role is Role.ASSISTANT:
                    row = (label.to, METERS[meter](turn.text), self._number)
                    self._measures.execute("INSERT INTO measure VALUES (?, ?, ?)", row)
                    self._number += 1

    def edges(self, schema: Schema) -> dict[str, tuple[float, ...]]:
        """Return the edges between levels, by attribute."""
        counts = "SELECT name, count(*) FROM measure GROUP BY name"
        return {
            name: tuple(self._value(name, place) for place in edge_places(number, levels))
            for name, number in self._measures.execute(counts).fetchall()
            for levels in [schema.scale(name).max - schema.scale(name).min + 1]
        }

    def _value(self, name: str, place: int) -> float:
        query = "SELECT value FROM measure WHERE name = ? ORDER BY value LIMIT 1 OFFSET ?"
        return float(self._measures.execute(query, (name, place)).fetchone()[0])


def check_labels(source: Source, schema: Schema) -> None:
    """Refuse a mapping to no attribute, twice to the same one, or from nothing or two things.

    Raises:
        BadConfigError: The mapping is wrong.
    """
    seen: set[str] = set()
    for label in source.labels or ():
        problem = ""
        if label.to not in schema.names:
            problem = f"names no attribute; known: {', '.join(schema.names)}"
        elif label.to in seen:
            problem = "is given twice"
        elif (label.from_name is None) == (label.from_meter is None):
            problem = "needs exactly one of from and fromMeter"
        if problem:
            msg = f"source {source.name}: spec.data...labels: to: {label.to} {problem}"
            raise BadConfigError(msg)
        seen.add(label.to)


def meter_labels(source: Source) -> tuple[tuple[LabelSource, Meter], ...]:
    """Return the labels of a source that come from a text meter."""
    return tuple(
        (label, label.from_meter) for label in source.labels or () if label.from_meter is not None
    )


def turn_labels(
    turn: RawTurn,
    conversation: RawConversation,
    source: Source,
    schema: Schema,
    edges: Mapping[str, Sequence[float]],
) -> dict[str, int]:
    """Return the known labels of an answer; none for a user's turn.

    Raises:
        BadInputError: A label is outside its attribute's range.
    """
    if turn.role is not Role.ASSISTANT:
        return {}
    found: dict[str, int] = {}
    for name, to in _pairs(turn, conversation, source, schema):
        found[to] = _label(turn.labels[name], name, to, conversation, schema)
    for label, meter in meter_labels(source):
        value = METERS[meter](turn.text)
        found[label.to] = level_of(value, edges.get(label.to, ()), schema.scale(label.to))
    return found


def _pairs(
    turn: RawTurn, conversation: RawConversation, source: Source, schema: Schema
) -> list[tuple[str, str]]:
    """Return (label of the source, attribute) for each label that counts."""
    if source.labels is not None:
        wanted = [(label.from_name, label.to) for label in source.labels]
        return [(name, to) for name, to in wanted if name is not None and name in turn.labels]
    left_out = OASST_ONLY if conversation.has_unit_labels else None
    return [(n, n) for n in schema.names if n in turn.labels and n != left_out]


def _label(value: float, name: str, to: str, conversation: RawConversation, schema: Schema) -> int:
    scale = schema.scale(to)
    if conversation.has_unit_labels:
        return quantise(from_unit(value, scale), scale)
    if not value.is_integer() or not scale.min <= value <= scale.max:
        msg = (
            f"{conversation.place}: label {name} is {value:g}, outside {scale.min}..{scale.max} "
            f"of attribute {to}; correct the data or the attribute's range"
        )
        raise BadInputError(msg)
    return int(value)
