"""Which examples each step sees, all known before the first one. Pure."""

import math
from collections.abc import Mapping, Sequence

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.data.seeds import seeded_order, unit_interval

Steps = tuple[tuple[int, ...], ...]
"""For each step the indices of its examples."""


def step_plan(
    lengths: Sequence[int],
    sources: Sequence[str],
    training: Training,
    *,
    seed: int,
    weights: Mapping[str, float] | None = None,
) -> Steps:
    """Return the steps of all epochs, cut where the token budget would be passed.

    An epoch is a seeded order of all examples; its last step holds what is left and may be
    smaller than the others. A source of weight 2.5 is seen two or three times in an epoch.

    Args:
        lengths: Tokens of each example.
        sources: Source of each example.
        training: Batch size, epochs and budget.
        seed: Of the order.
        weights: How often a source is seen in an epoch, where not once.
    """
    size = training.global_batch_size
    steps: list[tuple[int, ...]] = []
    num_tokens = 0
    for epoch in range(training.epochs):
        order = _epoch_order(sources, weights or {}, seed, epoch)
        for start in range(0, len(order), size):
            step = tuple(order[start : start + size])
            num_tokens += sum(lengths[i] for i in step)
            if training.max_tokens and num_tokens > training.max_tokens:
                return tuple(steps)
            steps.append(step)
    return tuple(steps)


def effective_epochs(steps: Steps, sources: Sequence[str]) -> dict[str, float]:
    """Return how often an example of each source is seen on average, in all of training."""
    seen = dict.fromkeys(sorted(set(sources)), 0)
    for step in steps:
        for index in step:
            seen[sources[index]] += 1
    return {name: round(n / sources.count(name), 4) for name, n in seen.items()}


def evaluation_interval(training: Training, steps: Steps) -> int:
    """Return after how many steps validation comes again: by default ten times an epoch."""
    if training.evaluation_every_steps is not None:
        return training.evaluation_every_steps
    return max(1, math.ceil(len(steps) / training.epochs / 10))


def _epoch_order(
    sources: Sequence[str], weights: Mapping[str, float], seed: int, epoch: int
) -> list[int]:
    pool = [
        index
        for index, source in enumerate(sources)
        for _copy in range(_copies(weights.get(source, 1.0), seed, epoch, index))
    ]
    return [pool[i] for i in seeded_order(len(pool), seed, "epoch", str(epoch))]


def _copies(weight: float, seed: int, epoch: int, index: int) -> int:
    """Return a whole number of copies whose mean over examples and epochs is the weight."""
    whole = math.floor(weight)
    part = weight - whole
    if not part:
        return whole
    return whole + (unit_interval(seed, "copies", str(epoch), str(index)) < part)
