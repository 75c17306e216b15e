"""The set V of label combinations that sampling asks for (arXiv:2310.05344, step 4a).

Only combinations *seen* in the annotated data: a model asked for what it never saw rambles.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from steerlm_jobs.attributes.labels import to_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation, Role

Levels = tuple[int, ...]
"""One label per attribute, in schema order."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Labels that occurred together."""

    labels: Mapping[str, int]
    count: int
    """Assistant turns of the training split that carry exactly these."""


@dataclass(frozen=True, slots=True)
class CombinationSet:
    """What may be asked for, most frequent first."""

    combinations: tuple[Combination, ...]
    warning: str = ""
    """One line if the wanted top was not seen; else empty."""


def counted_combinations(conversations: Iterable[Conversation], schema: Schema) -> Counter[Levels]:
    """Count the combinations of all fully labelled assistant turns of the training split."""
    return Counter(
        tuple(turn.labels[name] for name in schema.names)
        for conversation in conversations
        if conversation.split == "train"
        for turn in conversation.turns
        if turn.role is Role.ASSISTANT and all(name in turn.labels for name in schema.names)
    )


def best_combinations(
    counts: Mapping[Levels, int],
    schema: Schema,
    *,
    min_count: int,
    maximise: Sequence[str],
    limits: Mapping[str, int],
) -> CombinationSet:
    """Choose the combinations at the top of `maximise`, else at the highest level present.

    Highest means the largest sum of the maximised labels, each scaled to 0..1.

    Args:
        counts: How often each combination was seen.
        schema: Names and ranges; names that it lacks (optional ones left out) are passed over.
        min_count: Rarer combinations are not asked for.
        maximise: Attributes to have at their maximum.
        limits: The highest label allowed, by attribute.

    Returns:
        An empty set if no combination is frequent enough within the limits.
    """
    frequent = [
        Combination(dict(zip(schema.names, levels, strict=True)), count)
        for levels, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= min_count
    ]
    allowed = [c for c in frequent if all(c.labels.get(n, m) <= m for n, m in limits.items())]
    wanted = [a for a in schema.attributes if a.name in set(maximise)]
    if not allowed or not wanted:
        return CombinationSet(tuple(allowed))
    # Exactly rounded, so that equal sums are equal whatever their terms
    heights = [math.fsum(to_unit(c.labels[a.name], a) for a in wanted) for c in allowed]
    highest = max(heights)
    best = tuple(c for c, h in zip(allowed, heights, strict=True) if h == highest)
    if all(best[0].labels[a.name] >= a.max for a in wanted):
        return CombinationSet(best)
    names = " and ".join(a.name for a in wanted)
    found = ", ".join(f"{a.name} {best[0].labels[a.name]} of {a.max}" for a in wanted)
    warning = (
        f"no combination seen {min_count} times has {names} at the top;"
        f" sampling asks for the highest seen: {found}"
    )
    return CombinationSet(best, warning)
