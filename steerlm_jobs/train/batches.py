"""Micro-batches: the examples of one step as rows of tokens, packed or padded."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from steerlm_jobs.data.packing import best_fit_decreasing
from steerlm_jobs.process.ranks import Ranks, own_share


class Example(Protocol):
    """A tokenised conversation to learn from."""

    @property
    def ids(self) -> Tensor:
        """Token ids [T]."""

    @property
    def source(self) -> str:
        """Name of its data source."""

    @property
    def weight(self) -> int:
        """How many terms it adds to the loss: target tokens, or known labels."""


E = TypeVar("E", bound=Example)


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are made."""

    is_packed: bool
    """False: each row holds one conversation."""
    max_length_tokens: int
    micro_batch_tokens: int
    """Tokens computed at once, padding included; a single conversation may be longer."""


@dataclass(frozen=True, slots=True)
class MicroBatch(Generic[E]):
    """Rows that are computed at once. Padding, on the right, counts as a conversation of its own.

    `attention_mask` is never given: positions that restart keep conversations apart, and a causal
    model sees no padding on the right.
    """

    rows: tuple[tuple[E, ...], ...]
    ids_BT: Tensor
    position_ids_BT: Tensor
    is_filler: bool = False
    """True: computed only because other ranks compute one more; its loss counts nothing."""

    @property
    def examples(self) -> tuple[E, ...]:
        """All examples, row by row."""
        return tuple(example for row in self.rows for example in row)


def micro_batches(examples: Sequence[E], layout: Layout, num_ranks: int = 1) -> list[MicroBatch[E]]:
    """Lay examples out: each in exactly one row, the longest rows first.

    With several ranks the rows are short enough that each rank gets some, if that is possible.
    """
    lengths = [len(example.ids) for example in examples]
    fair_tokens = math.ceil(sum(lengths) / num_ranks) if num_ranks > 1 else math.inf
    if layout.is_packed:
        wanted = min(layout.max_length_tokens, layout.micro_batch_tokens, fair_tokens)
        bins = best_fit_decreasing(lengths, int(max(wanted, *lengths, 0)))
    else:
        bins = [[i] for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))]
    widths = [sum(lengths[i] for i in row) for row in bins]
    order = sorted(range(len(bins)), key=lambda b: (-widths[b], b))
    limit = min(layout.micro_batch_tokens, fair_tokens)
    groups: list[list[int]] = []
    for row in order:
        if not groups or widths[groups[-1][0]] * (len(groups[-1]) + 1) > limit:
            groups.append([])
        groups[-1].append(row)
    return [_micro_batch([[examples[i] for i in bins[b]] for b in group]) for group in groups]


def own_micro_batches(examples: Sequence[E], layout: Layout, ranks: Ranks) -> list[MicroBatch[E]]:
    """Return this rank's share of the examples: as many micro-batches as every other rank has.

    Where there are too few, fillers take their places: each forward and backward pass of some
    engines is a meeting of all ranks.
    """
    batches = micro_batches(examples, layout, ranks.size)
    share = own_share(len(batches), ranks)
    return [batches[i] if i is not None else _filler(batches[-1]) for i in share]


def _filler(batch: MicroBatch[E]) -> MicroBatch[E]:
    """Return the shortest row of a batch as a filler."""
    shortest = min(batch.rows, key=lambda row: sum(len(e.ids) for e in row))
    return replace(_micro_batch([shortest]), is_filler=True)


def is_last_of_example(batch: MicroBatch[E]) -> Tensor:
    """Return [B, T], True at the last token of each example."""
    return spread(batch, lambda example: torch.arange(len(example.ids)) == len(example.ids) - 1)


def spread(batch: MicroBatch[E], values: Callable[[E], Tensor]) -> Tensor:
    """Lay out a value per token of each example like its ids; padding is 0 or False."""
    rows = [torch.cat([values(example) for example in row]) for row in batch.rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _micro_batch(rows: Sequence[Sequence[E]]) -> MicroBatch[E]:
    frozen = tuple(tuple(row) for row in rows)
    width = max(sum(len(e.ids) for e in row) for row in frozen)
    positions = [torch.cat([torch.arange(n) for n in _lengths(row, width)]) for row in frozen]
    ids = [torch.cat([example.ids.long() for example in row]) for row in frozen]
    return MicroBatch(
        frozen, torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), torch.stack(positions)
    )


def _lengths(row: Sequence[E], width: int) -> list[int]:
    """Return the lengths of a row's conversations, and that of the padding."""
    lengths = [len(example.ids) for example in row]
    return [*lengths, width - sum(lengths)]
