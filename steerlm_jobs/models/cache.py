"""A cache whose layers have room to grow.

Transformers' own layer copies all of its keys and values for every new token.
"""

from typing import Any, Final

import torch
from torch import Tensor
from transformers import PretrainedConfig
from transformers.cache_utils import DynamicCache, DynamicLayer

_ROOM_TOKENS: Final = 64


class RoomyLayer(DynamicLayer):
    """Keys and values [B, heads, T, width], the first T places of a longer buffer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # differ by version of Transformers
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # not typed there
        self._buffers: tuple[Tensor, Tensor] | None = None

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_args: Any,  # differ by version of Transformers
        **_kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """Append keys and values of new tokens; return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._buffers is None or end > self._buffers[0].shape[-2]:
            length = end + _ROOM_TOKENS
            self._buffers = (
                _grown(self.keys, key_states, start, length),
                _grown(self.values, value_states, start, length),
            )
        keys, values = self._buffers
        keys[..., start:end, :] = key_states
        values[..., start:end, :] = value_states
        self.keys, self.values = keys[..., :end, :], values[..., :end, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Go on with these rows, in this order; a row may occur several times."""
        super().batch_select_indices(indices)
        self._buffers = None


def roomy_cache(config: PretrainedConfig) -> DynamicCache:
    """Return an empty cache for a model; sliding layers stay as Transformers makes them."""
    cache = DynamicCache(config=config)
    cache.layers = [
        RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


def _grown(old: Tensor | None, new: Tensor, length_old: int, length: int) -> Tensor:
    shape = (*new.shape[:-2], length, new.shape[-1])
    buffer = torch.empty(shape, dtype=new.dtype, device=new.device)
    if old is not None and length_old:
        buffer[..., :length_old, :] = old
    return buffer
