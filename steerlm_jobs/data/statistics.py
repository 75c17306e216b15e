"""Counts that prepare and `data inspect` report: histograms, shares, lengths. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(ordered: Sequence[int], fraction: float) -> int:
    """Return the smallest value that at least `fraction` of an ordered sequence do not exceed."""
    if not ordered:
        return 0
    rank = -(-len(ordered) * round(fraction * 100) // 100)
    return ordered[max(0, rank - 1)]


def length_figures(lengths: Sequence[int]) -> dict[str, int]:
    """Return p50, p95 and maximum."""
    ordered = sorted(lengths)
    return {
        "p50": percentile(ordered, 0.5),
        "p95": percentile(ordered, 0.95),
        "max": ordered[-1] if ordered else 0,
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

    def figures(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:  # Any: JSON
        """Return known, missing share and histogram by name."""
        return {name: self._figure(name) for name in names}

    def _figure(self, name: str) -> dict[str, Any]:  # Any: JSON
        known = self.known(name)
        missing = 1.0 - known / self.num_messages if self.num_messages else 1.0
        levels = self.levels.get(name, Counter())
        return {
            "known": known,
            "missing_share": round(missing, 6),
            "histogram": {str(level): levels[level] for level in sorted(levels)},
        }
