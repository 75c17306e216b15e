"""Rows of tokens with their cache: each prompt is computed once, then tokens are appended.

It knows what may come next, not what should: choosing is its callers' work.
"""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from steerlm_jobs.models.cache import roomy_cache


class CachedRows:
    """Rows that grow; padding stands on the left of a prompt and of what is appended."""

    logits_BV: Tensor
    """Of the token after each row."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        repeats: Sequence[int] | None = None,
    ) -> None:
        """Compute each prompt once.

        Args:
            model: A causal language model in evaluation mode, on its device.
            prompts: Token ids, at least one each.
            repeats: How many rows begin with each prompt; None: one each.
        """
        self._model = model
        longest = max(map(len, prompts))
        ids_PT = _padded(prompts, longest).to(model.device)
        lengths_P = torch.tensor([len(ids) for ids in prompts], device=model.device)
        is_token_PT = _is_token(lengths_P, longest)
        position_PT = (is_token_PT.cumsum(1) - 1).clamp(min=0)
        self._cache = roomy_cache(model.config)
        self._fixed_arguments = _fixed_arguments(model, self._cache)
        logits_PV = self._forward(ids_PT, is_token_PT, position_PT)
        repeats_P = torch.tensor(repeats or [1] * len(prompts), device=model.device)
        prompt_of_B = torch.arange(len(prompts), device=model.device).repeat_interleave(repeats_P)
        if len(prompt_of_B) > len(prompts):
            self._cache.batch_select_indices(prompt_of_B)
        self.logits_BV = logits_PV[prompt_of_B]
        self._is_token_BT = is_token_PT[prompt_of_B]
        self._next_position_B = lengths_P[prompt_of_B]

    def step(self, tokens_B: Tensor) -> None:
        """Append one token to each row."""
        is_token_B1 = torch.ones_like(self._is_token_BT[:, :1])
        self._is_token_BT = torch.cat([self._is_token_BT, is_token_B1], 1)
        position_B1 = self._next_position_B[:, None]
        self.logits_BV = self._forward(tokens_B[:, None], self._is_token_BT, position_B1)
        self._next_position_B = self._next_position_B + 1

    def append(self, tokens: Sequence[Sequence[int]]) -> None:
        """Append tokens to each row, as many as it is given; a row given none stays as it is."""
        longest = max(map(len, tokens))
        if not longest:
            return
        device = self._is_token_BT.device
        lengths_B = torch.tensor([len(ids) for ids in tokens], device=device)
        is_new_BT = _is_token(lengths_B, longest)
        self._is_token_BT = torch.cat([self._is_token_BT, is_new_BT], 1)
        position_BT = self._next_position_B[:, None] + (is_new_BT.cumsum(1) - 1).clamp(min=0)
        ids_BT = _padded(tokens, longest).to(device)
        logits_BV = self._forward(ids_BT, self._is_token_BT, position_BT)
        self.logits_BV = torch.where(lengths_B[:, None] > 0, logits_BV, self.logits_BV)
        self._next_position_B = self._next_position_B + lengths_B

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these rows only."""
        kept_B = torch.tensor(places, device=self._is_token_BT.device)
        self._cache.batch_select_indices(kept_B)
        self._is_token_BT = self._is_token_BT[kept_B]
        self._next_position_B = self._next_position_B[kept_B]

    def branch(self) -> "CachedRows":
        """Return rows that begin like these and grow by themselves."""
        return copy.deepcopy(self, {id(self._model): self._model})  # all but the model

    def _forward(self, ids_BT: Tensor, is_token_BT: Tensor, position_BT: Tensor) -> Tensor:
        """Return the logits after the last token of each row."""
        output = self._model(
            input_ids=ids_BT,
            attention_mask=is_token_BT.long(),
            position_ids=position_BT,
            **self._fixed_arguments,
        )
        logits_BV: Tensor = output.logits[:, -1]
        return logits_BV


def _fixed_arguments(model: PreTrainedModel, cache: DynamicCache) -> dict[str, Any]:
    """Return the arguments of every call; Transformers 5.24 renamed the one for the cache."""
    known = inspect.signature(model.forward).parameters
    arguments = {"cache" if "cache" in known else "past_key_values": cache, "use_cache": True}
    if "logits_to_keep" in known:  # without it, the prompt's logits are computed for nothing
        arguments["logits_to_keep"] = 1
    return arguments


def _is_token(lengths_B: Tensor, longest: int) -> Tensor:
    """Return [B, T], True where there is a token, False in the padding on the left."""
    return torch.arange(longest, device=lengths_B.device) >= longest - lengths_B[:, None]


def _padded(rows: Sequence[Sequence[int]], length: int) -> Tensor:
    """Return rows padded on the left with id 0, which the mask hides."""
    return torch.tensor([[0] * (length - len(ids)) + list(ids) for ids in rows])
