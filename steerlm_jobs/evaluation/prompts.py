"""Which prompts an evaluation asks: the same at every level, for every model."""

from collections.abc import Collection, Iterable

from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.seeds import unit_interval
from steerlm_jobs.evaluation.samples import prompt_key


def evaluation_prompts(
    candidates: Iterable[Conversation], num_prompts: int, seed: int
) -> list[Conversation]:
    """Return distinct prompts, chosen by seed and text alone, in the order of the data."""
    distinct = _by_key(candidates)
    chosen = set(_in_order(distinct, seed)[:num_prompts])
    return [prompt for key, prompt in distinct.items() if key in chosen]


def selection_prompts(
    candidates: Iterable[Conversation],
    asked: Iterable[Conversation],
    num_prompts: int,
    seed: int,
) -> list[Conversation]:
    """Return distinct prompts to choose a checkpoint by, in the order of the data.

    First come those that evaluate never asks, then what it asks last: how many it asks is not
    known to a training, whose result must not depend on it.

    Args:
        candidates: The prompts of the validation split.
        asked: All prompts from which `evaluation_prompts` chooses.
        num_prompts: How many at most.
        seed: Also that of the evaluation.
    """
    distinct = _by_key(candidates)
    places = {key: place for place, key in enumerate(_in_order(_by_key(asked), seed))}
    keys = sorted(
        distinct,
        key=lambda key: (
            -places.get(key, len(places)),
            unit_interval(seed, "selection-prompt", key),
        ),
    )
    chosen = set(keys[:num_prompts])
    return [prompt for key, prompt in distinct.items() if key in chosen]


def num_never_chosen_by(
    asked: Iterable[Conversation], selection: Iterable[Conversation], seed: int
) -> int:
    """Return how many prompts an evaluation may ask before one of the selection is among them."""
    keys = _in_order(_by_key(asked), seed)
    chosen = {prompt_key(prompt) for prompt in selection}
    return next((place for place, key in enumerate(keys) if key in chosen), len(keys))


def _by_key(prompts: Iterable[Conversation]) -> dict[str, Conversation]:
    distinct: dict[str, Conversation] = {}
    for prompt in prompts:
        distinct.setdefault(prompt_key(prompt), prompt)
    return distinct


def _in_order(keys: Collection[str], seed: int) -> list[str]:
    """Return keys in the order in which evaluate asks their prompts."""
    return sorted(keys, key=lambda key: unit_interval(seed, "evaluation-prompt", key))


def chunk_rows(num_prompts: int, target_rows: int) -> int:
    """Return how many rows a chunk has: whole settings, so that a batch has equal lengths."""
    return num_prompts * max(1, target_rows // num_prompts)
