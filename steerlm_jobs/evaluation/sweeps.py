"""Which answers an evaluation asks for: each attribute at each of its levels, in two sweeps.

In the first the other attributes are at their target. In the second they are as in the most
frequent combination of the training data with that level: a model asked for what it never saw may
ramble, and that would be no fault of the attribute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.evaluation.combinations import Combination, Levels

Others = Literal["Target", "Observed"]
BOTH_SWEEPS: Final[tuple[Others, ...]] = ("Target", "Observed")


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """All label settings of an evaluation, each once: the targets belong to every sweep."""

    settings: tuple[Mapping[str, int], ...]
    """Labels of all attributes; those of the sweeps at target come first."""
    places: Mapping[tuple[str, int], int]
    """(attribute, level) -> place in `settings`, others at target."""
    targets: Mapping[str, int]
    observed: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(attribute, level) -> place in `settings`, others as observed; none of unseen levels."""
    counts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """How often the combination of `observed` was seen."""

    @property
    def num_at_target(self) -> int:
        """How many settings the sweeps at target need: baselines are asked these alone."""
        return max(self.places.values()) + 1

    def places_of(self, others: Others) -> Mapping[tuple[str, int], int]:
        """Return the places of one kind of sweep."""
        return self.places if others == "Target" else self.observed


def sweep_plan(
    schema: Schema, targets: Mapping[str, int], seen: Mapping[Levels, int] | None = None
) -> SweepPlan:
    """Return the settings that move one attribute over its levels.

    Args:
        schema: Names and ranges.
        targets: The level of each attribute that does not move.
        seen: How often each combination of labels occurs in the training data.
    """
    asked = [(a.name, level) for a in schema.attributes for level in range(a.min, a.max + 1)]
    base = {name: targets[name] for name in schema.names}
    at_target = {(name, level): base | {name: level} for name, level in asked}
    frequent = {
        (name, level): found
        for name, level in asked
        if (found := _most_frequent(schema, seen or {}, name, level)) is not None
    }
    settings: list[Mapping[str, int]] = []
    for labels in (*at_target.values(), *(found.labels for found in frequent.values())):
        if labels not in settings:
            settings.append(labels)
    return SweepPlan(
        settings=tuple(settings),
        places={key: settings.index(labels) for key, labels in at_target.items()},
        targets=base,
        observed={key: settings.index(found.labels) for key, found in frequent.items()},
        counts={key: found.count for key, found in frequent.items()},
    )


def _most_frequent(
    schema: Schema, seen: Mapping[Levels, int], name: str, level: int
) -> Combination | None:
    """Return the commonest combination with a level; of equally common ones the lowest levels."""
    place = schema.index(name)
    found = [(-count, levels) for levels, count in seen.items() if levels[place] == level]
    if not found:
        return None
    count, levels = min(found)
    return Combination(dict(zip(schema.names, levels, strict=True)), -count)
