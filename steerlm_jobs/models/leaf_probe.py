"""Does the real model honour a mask of leaf markers? Asked once, when an APM is loaded.

Convolutions read what stands beside a token whatever the mask says, some models refuse masks of
four dimensions, and windows are lost where such a mask takes their place. Then turns are scored one
by one.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from steerlm_jobs.models.leaf_markers import ScoringBatch, ScoringRow, batch_tensors

log = logging.getLogger(__name__)

MarkerStates = Callable[[ScoringBatch], Tensor]
"""Hidden states [N, D] at the markers of a batch."""

NO_LIMIT: Final = 1 << 62
_ENDS: Final = (8, 16, 24)
_WINDOWS: Final = ("sliding_window", "attention_chunk_size")
_REFUSALS: Final = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)
"""What models raise that take a mask for something else."""


def longest_shared(states: MarkerStates, config: Any, device: torch.device) -> int:
    """Return up to how many tokens a row may hold several markers; 0: never.

    Args:
        states: The model as it scores.
        config: Its config; each architecture has its own class.
        device: Where the model is.
    """
    text_config = config.get_text_config()
    try:
        is_honoured = _is_honoured(states, int(text_config.vocab_size), device)
    except _REFUSALS as error:
        log.info("the model refuses a mask of leaf markers: %r", error)
        is_honoured = False
    return _window(text_config) if is_honoured else 0


@torch.no_grad()
def _is_honoured(states: MarkerStates, num_rows: int, device: torch.device) -> bool:
    """Return True if each marker's state is that of its prefix alone, whatever comes later."""
    trunk = tuple(1 + 7 * place % (num_rows - 2) for place in range(_ENDS[-1]))
    other = (*trunk[: _ENDS[-2]], *reversed(trunk[: _ENDS[-1] - _ENDS[-2]]))

    def states_of(ids: tuple[int, ...], *ends: int) -> Tensor:
        return states(batch_tensors([ScoringRow(ids, ends)], num_rows - 1, device))

    together, replaced = states_of(trunk, *_ENDS), states_of(other, *_ENDS)
    alone = torch.cat([states_of(trunk[:end], end) for end in _ENDS])
    scale = alone.float().abs().max()
    is_apart = _distance(together[:-1], replaced[:-1]) <= 1e-5 * scale
    # Against a prefix alone only rounding differs; a leak is a hundred times more.
    rounding = 1e-4 if alone.dtype == torch.float32 else 5e-2
    return bool(is_apart and _distance(together, alone) <= rounding * scale)


def _window(config: Any) -> int:  # each architecture has its own config
    """Return how far a token sees back: a mask of our own would let it see further."""
    if all(kind == "full_attention" for kind in getattr(config, "layer_types", None) or [""]):
        return NO_LIMIT
    windows = (getattr(config, name, None) for name in _WINDOWS)
    return min((int(window) for window in windows if window), default=NO_LIMIT)


def _distance(one: Tensor, two: Tensor) -> Tensor:
    return (one.float() - two.float()).abs().max()
