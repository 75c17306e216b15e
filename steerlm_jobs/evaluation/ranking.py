"""Ranks of the samples of a prompt, and which of them are trained on."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from steerlm_jobs.attributes.labels import to_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.recipes import SampleFilter


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where a sample stands."""

    rank: int
    """1 is the best of its prompt; equal sums rank in the order given."""
    is_kept: bool


def rank_sum(scores: Mapping[str, float], schema: Schema, weights: Mapping[str, float]) -> float:
    """Return the weighted sum of the scores, each scaled to 0..1 by its attribute's range.

    Unscaled, an attribute on 0..9 would outweigh one on 0..4.
    """
    return math.fsum(
        weights.get(a.name, 0.0) * to_unit(scores[a.name], a)
        for a in schema.attributes
        if a.name in scores
    )


def ranked_samples(
    sums: Sequence[float], prompts: Sequence[Hashable], rule: SampleFilter
) -> list[Ranked]:
    """Rank each sample within its prompt and mark which the filter keeps.

    Args:
        sums: The `rank_sum` of each sample.
        prompts: What identifies the prompt of each sample.
        rule: None keeps all; TopN so many of each prompt; Quantile those at or above that
            quantile of all sums.
    """
    members: dict[Hashable, list[int]] = {}
    for index, prompt in enumerate(prompts):
        members.setdefault(prompt, []).append(index)
    ranks = [0] * len(sums)
    for group in members.values():
        for place, index in enumerate(sorted(group, key=lambda i: -sums[i]), start=1):
            ranks[index] = place
    threshold = _quantile(sums, rule.quantile) if rule.kind == "Quantile" and sums else -math.inf
    last = rule.top_n if rule.kind == "TopN" else len(sums)
    return [
        Ranked(rank, rank <= last and total >= threshold)
        for rank, total in zip(ranks, sums, strict=True)
    ]


def _quantile(values: Sequence[float], fraction: float) -> float:
    """Return the smallest value that at least `fraction` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
