"""Which prompts are computed together: equal ones once, similar lengths side by side. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PromptRows:
    """A prompt and who asked it."""

    ids: tuple[int, ...]
    rows: tuple[int, ...]
    """Positions in the caller's list, in order."""


def prompt_batches(
    prompts: Sequence[Sequence[int]], *, max_new_tokens: int, max_rows: int, max_tokens: int
) -> list[list[PromptRows]]:
    """Group equal prompts, sort by length, and cut into batches.

    Args:
        prompts: Token ids of each row.
        max_new_tokens: Longest answer: the cache grows up to it.
        max_rows: Most rows in a batch.
        max_tokens: Most cache positions of a batch, its padding and answers included.

    Returns:
        Batches that hold every row once; a prompt with more rows than fit is cut into several.
    """
    grouped: dict[tuple[int, ...], list[int]] = {}
    for row, prompt in enumerate(prompts):
        grouped.setdefault(tuple(prompt), []).append(row)
    batches: list[list[PromptRows]] = []
    free = 0
    for ids in sorted(grouped, key=lambda ids: (-len(ids), grouped[ids][0])):
        rows = grouped[ids]
        while rows:
            if free == 0:  # the first prompt is the longest: it decides what the batch holds
                free = max(1, min(max_rows, max_tokens // (len(ids) + max_new_tokens)))
                batches.append([])
            batches[-1].append(PromptRows(ids, tuple(rows[:free])))
            rows, free = rows[free:], free - len(rows[:free])
    return batches
