"""All turns of a conversation scored in one pass: markers are leaves of its text.

A marker stands at the position after its prefix, sees the prefix and itself, and nothing sees it.
Positions alone cannot say that (the next turn would read the marker before it): the rows need a
mask of their own. `leaf_probe` asks whether a model honours it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steerlm_jobs.data.tokens import Encoded

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScoringRow:
    """A text and the ends of the prefixes that are scored in it."""

    trunk: Ids
    ends: tuple[int, ...]
    """Rising lengths of prefixes; the last is the whole trunk."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the trunk and its markers."""
        return len(self.trunk) + len(self.ends)

    @property
    def prefixes(self) -> tuple[Ids, ...]:
        """What is scored, in order."""
        return tuple(self.trunk[:end] for end in self.ends)


@dataclass(frozen=True, slots=True)
class ScoringBatch:
    """Rows as tensors: each trunk, its markers after it, padding on the right."""

    ids_BT: Tensor
    position_ids_BT: Tensor
    is_marker_BT: Tensor
    visible_BTT: Tensor | None
    """True where the query of the second axis sees the key of the third; None: plain causal."""


def scoring_rows(
    conversations: Iterable[Sequence[Encoded | None]], longest_shared: int
) -> list[ScoringRow]:
    """Return rows that hold every distinct prefix once, sorted by length.

    Turns that were cut to fit their length stand alone; so do all where a row would be longer than
    `longest_shared` tokens. The rows depend on the set of conversations, not on their order.
    """
    together: set[tuple[Ids, ...]] = set()
    for encoded in conversations:
        whole = [e.ids[:-1] for e in encoded if e is not None and not e.first_turn]
        if whole and len(whole[-1]) + len(whole) <= longest_shared:
            together.add(tuple(whole))
        else:
            together.update((ids,) for ids in whole)
        together.update((e.ids[:-1],) for e in encoded if e is not None and e.first_turn)
    rows, taken = [], set[Ids]()
    # The longest take what they share with others: conversations of a tree have turns in common
    for prefixes in sorted(together, key=lambda p: (-len(p[-1]), p)):
        new = [ids for ids in prefixes if ids not in taken]
        taken.update(new)
        if new:
            rows.append(ScoringRow(new[-1], tuple(map(len, new))))
    return sorted(rows, key=lambda row: (row.num_tokens, row.trunk, row.ends))


def scoring_batches(rows: Sequence[ScoringRow], max_tokens: int) -> list[Sequence[ScoringRow]]:
    """Cut sorted rows into batches of at most `max_tokens` after padding.

    Rows with one marker need no mask, so they do not share a batch with others.
    """
    plain = [row for row in rows if len(row.ends) == 1]
    masked = [row for row in rows if len(row.ends) > 1]
    return [*_cut(plain, max_tokens), *_cut(masked, max_tokens)]


def batch_tensors(rows: Sequence[ScoringRow], marker_id: int, device: torch.device) -> ScoringBatch:
    """Return the tensors of one batch, its markers in the order of `prefixes`, row by row."""
    longest = max(row.num_tokens for row in rows)
    ids, positions, seen, markers = [], [], [], []
    for row in rows:
        length, num_markers = len(row.trunk), len(row.ends)
        rest = longest - row.num_tokens
        ids.append([*row.trunk, *([marker_id] * num_markers), *([0] * rest)])
        positions.append([*range(length), *row.ends, *([0] * rest)])
        seen.append([*range(1, length + 1), *row.ends, *([0] * rest)])
        markers.append([*([False] * length), *([True] * num_markers), *([False] * rest)])
    visible_BTT = None
    if any(len(row.ends) > 1 for row in rows):
        visible_BTT = _visible(torch.tensor(seen, device=device))
    else:  # right padding is never seen; without a restart no model takes it for a new text
        positions = [list(range(longest)) for _ in rows]
    return ScoringBatch(
        ids_BT=torch.tensor(ids, device=device),
        position_ids_BT=torch.tensor(positions, device=device),
        is_marker_BT=torch.tensor(markers, device=device),
        visible_BTT=visible_BTT,
    )


def additive_mask(visible_BTT: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to attention scores [B, 1, T, T].

    Not the booleans themselves: eager attention would add them as 0 and 1.
    """
    mask_BTT = torch.zeros(visible_BTT.shape, dtype=dtype, device=visible_BTT.device)
    return mask_BTT.masked_fill_(~visible_BTT, torch.finfo(dtype).min)[:, None]


def _visible(num_seen_BT: Tensor) -> Tensor:
    """Return True where a query sees a key: the first keys, as many as told, and itself."""
    key_T = torch.arange(num_seen_BT.shape[1], device=num_seen_BT.device)
    return (key_T < num_seen_BT[:, :, None]) | (key_T == key_T[:, None])


def _cut(rows: Sequence[ScoringRow], max_tokens: int) -> list[Sequence[ScoringRow]]:
    batches, start = [], 0
    for end in range(1, len(rows) + 1):
        is_last = end == len(rows)
        if is_last or rows[end].num_tokens * (end + 1 - start) > max_tokens:
            batches.append(rows[start:end])
            start = end
    return batches
