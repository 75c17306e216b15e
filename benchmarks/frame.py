"""The one line of JSON that every benchmark prints last."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """A figure and the same figure of a rival, measured in turns in one run."""

    name: str
    unit: str
    against: str
    """What the rival is, with the settings that suit it best."""
    target: float
    """The ratio to reach."""
    values: Sequence[float]
    rivals: Sequence[float]
    """The rival's values, pair by pair."""

    def line(self) -> str:
        """Return medians, and the ratios' smallest and largest as spread."""
        ratios = [ours / theirs for ours, theirs in zip(self.values, self.rivals, strict=True)]
        return json.dumps(
            {
                "name": self.name,
                "value": round(statistics.median(self.values)),
                "unit": self.unit,
                "against": self.against,
                "ratio": round(statistics.median(ratios), 3),
                "target": self.target,
                "spread": [round(min(ratios), 3), round(max(ratios), 3)],
            }
        )
