"""Does the real model keep packed conversations apart? Asked once, before training starts.

Architectures differ: convolutions and some windows read across the edge whatever the positions
say. Then conversations are padded instead.
"""

from collections.abc import Callable

import torch
from torch import Tensor

HiddenStates = Callable[[Tensor, Tensor], Tensor]
"""(ids [B, T], position ids [B, T]) -> hidden states [B, T, D]."""


@torch.no_grad()
def can_be_packed(hidden_states: HiddenStates, first: Tensor, second: Tensor) -> bool:
    """Return True if what stands before a conversation in its row changes nothing in it.

    Args:
        hidden_states: The model as it is trained, in evaluation mode.
        first: Ids of a conversation, at least one.
        second: Ids of another, at least one.
    """
    other = first.flip(0).roll(1) if len(first) > 1 else first + 1
    alone = hidden_states(second[None], _positions(second)[None])[0]
    after_first, after_other = (
        hidden_states(
            torch.cat((before, second))[None],
            torch.cat((_positions(before), _positions(second)))[None],
        )[0, len(first) :]
        for before in (first, other)
    )
    scale = alone.float().abs().max()
    is_apart = _distance(after_first, after_other) <= 1e-5 * scale
    # Against the conversation alone only rounding differs; a leak is a hundred times more.
    rounding = 1e-3 if alone.dtype == torch.float32 else 5e-2
    return bool(is_apart and _distance(after_first, alone) <= rounding * scale)


def _positions(ids: Tensor) -> Tensor:
    return torch.arange(len(ids), device=ids.device)


def _distance(one: Tensor, two: Tensor) -> Tensor:
    return (one.float() - two.float()).abs().max()
