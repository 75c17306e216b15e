"""Which prompts an evaluation asks: the same at every level, for every model."""

from collections.abc import Iterable

from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.seeds import unit_interval
from steerlm_jobs.evaluation.samples import prompt_key


def evaluation_prompts(
    candidates: Iterable[Conversation], num_prompts: int, seed: int
) -> list[Conversation]:
    """Return distinct prompts, chosen by seed and text alone, in the order of the data."""
    distinct: dict[str, Conversation] = {}
    for prompt in candidates:
        distinct.setdefault(prompt_key(prompt), prompt)
    keys = sorted(distinct, key=lambda key: unit_interval(seed, "evaluation-prompt", key))
    chosen = set(keys[:num_prompts])
    return [prompt for key, prompt in distinct.items() if key in chosen]


def chunk_rows(num_prompts: int, target_rows: int) -> int:
    """Return how many rows a chunk has: whole settings, so that a batch has equal lengths."""
    return num_prompts * max(1, target_rows // num_prompts)
