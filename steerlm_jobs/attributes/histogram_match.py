"""MatchHistogram: labels from scores so that each level is as frequent as people gave it. Pure.

A regression shrinks to the mean, so its rounded scores never reach the rare levels. Here a level
starts at the score above which as many of the training answers lie as people put at that level or
above it. The starts are few numbers, made once and kept with the model: so a label depends on its
own score alone, whatever else is labelled beside it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LevelStarts:
    """Where each level begins on the scale of the scores, for one attribute."""

    levels: tuple[int, ...]
    """Those that people gave, rising: no other is ever predicted."""
    starts: tuple[float, ...]
    """The lowest score of each level but the first, which has none; never falling."""

    def level(self, score: float) -> int:
        """Return the level of a score."""
        return self.levels[bisect_right(self.starts, score)]

    def to_json(self) -> dict[str, list[float] | list[int]]:
        """Return it as it stands in `steerlm.json`."""
        return {"levels": list(self.levels), "starts": list(self.starts)}

    @classmethod
    def from_json(cls, value: dict[str, list[float]]) -> "LevelStarts":
        """Read what `to_json` wrote."""
        return cls(tuple(int(level) for level in value["levels"]), tuple(value["starts"]))


def level_starts(scores: Sequence[float], labels: Iterable[int]) -> LevelStarts:
    """Return where levels start, so that these scores get the histogram of these labels.

    Equal scores get one level, so with ties it is met as nearly as they allow.

    Args:
        scores: The model's, on the attribute's scale; at least one.
        labels: People's, of the same answers.
    """
    ordered, counts = sorted(scores), Counter(labels)
    levels = tuple(sorted(counts))
    below, starts = 0, []
    for level in levels[:-1]:
        below += counts[level]
        starts.append(ordered[below])
    return LevelStarts(levels, tuple(starts))
