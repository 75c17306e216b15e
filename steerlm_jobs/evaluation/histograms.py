"""How often each level of each attribute occurs."""

from collections import Counter
from collections.abc import Iterable, Mapping

from steerlm_jobs.attributes.schema import Schema

Histogram = dict[str, dict[int, int]]
"""Attribute -> level -> count; every level of the range is there."""


class LevelCounter:
    """Counts labels; a label outside the range counts where it is, so that it is seen."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._counts: dict[str, Counter[int]] = {name: Counter() for name in schema.names}

    def add(self, labels: Mapping[str, int]) -> None:
        """Count the labels of one turn."""
        for name, level in labels.items():
            if name in self._counts:
                self._counts[name][level] += 1

    def add_all(self, many: Iterable[Mapping[str, int]]) -> None:
        """Count the labels of several turns."""
        for labels in many:
            self.add(labels)

    def histogram(self) -> Histogram:
        """Return the counts so far."""
        return {
            a.name: {
                level: self._counts[a.name][level]
                for level in sorted({*range(a.min, a.max + 1), *self._counts[a.name]})
            }
            for a in self._schema.attributes
        }
