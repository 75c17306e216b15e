"""Counts that prepare and `data inspect` report: histograms, shares, lengths. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(lengths: Mapping[int, int], percent: int) -> int:
    """Return the smallest length that at least `percent` of all do not exceed; 0 of none.

    Args:
        lengths: How often each length occurs.
        percent: 1 to 100.
    """
    rank = -(-sum(lengths.values()) * percent // 100)
    for length in sorted(lengths):
        rank -= lengths[length]
        if rank <= 0:
            return length
    return 0


def length_figures(lengths: Mapping[int, int]) -> dict[str, int]:
    """Return p50, p95 and maximum, given how often each length occurs."""
    return {
        "p50": percentile(lengths, 50),
        "p95": percentile(lengths, 95),
        "max": max(lengths, default=0),
    }


@dataclass(slots=True)
class LabelCounts:
    """Histograms of labels by name, over messages counted once each."""

    num_messages: int = 0
    levels: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, labels: Mapping[str, int]) -> None:
        """Count a message and its labels."""
        self.num_messages += 1
        for name, level in labels.items():
            self.levels.setdefault(name, Counter())[level] += 1

    def known(self, name: str) -> int:
        """Return how many messages have a label of that name."""
        return self.levels.get(name, Counter()).total()

    def figures(self, scales: Mapping[str, Sequence[int]]) -> dict[str, dict[str, Any]]:
        """Return known, missing share and histogram by name.

        Args:
            scales: The levels that each histogram shows, those that do not occur too.
        """
        return {name: self._figure(name, levels) for name, levels in scales.items()}

    def _figure(self, name: str, levels: Sequence[int]) -> dict[str, Any]:  # Any: JSON
        known, found = self.known(name), self.levels.get(name, Counter())
        missing = self.num_messages - known
        return {
            "known": known,
            "missing_share": missing / self.num_messages if self.num_messages else 1.0,
            "histogram": {str(level): found[level] for level in sorted({*levels, *found})},
        }
