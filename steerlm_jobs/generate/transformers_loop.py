"""Our batched decoding loop over the cache of Transformers.

Each prompt is computed once for all of its samples, finished rows leave the batch, and a row's
answer does not depend on its neighbours (beyond rounding in the last bits of the logits).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.generate.batches import PromptRows, prompt_batches
from steerlm_jobs.generate.cache import roomy_cache
from steerlm_jobs.generate.choosing import TokenChooser
from steerlm_jobs.generate.generator import Generated, Sampling

MAX_ROWS: Final = 256
MAX_CACHE_TOKENS: Final = 1 << 17
"""Positions of a batch's cache: 128 rows of 1,024 tokens."""
_COMPACT_BELOW: Final = 0.75
"""Finished rows leave when fewer than this are alive: each leaving copies the cache
(measured: 223 -> 283 useful tokens/s, docs of the training stack, 2.5)."""


class TransformersGenerator:
    """Generates with a Hugging Face causal language model."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: ChatTokenizer,
        on_token: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare a model for generation.

        Args:
            model: In evaluation mode, on its device.
            tokenizer: Names the stop, the ends of text, and the markers that are never sampled.
            on_token: Called before each token of a batch; may raise to leave.
        """
        self._model = model
        self._on_token = on_token
        self._stop_ids = torch.tensor(
            sorted({tokenizer.stop_id, *tokenizer.eos_ids}), device=model.device
        )
        output_layer = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # not typed
        num_rows = output_layer.weight.shape[0]
        self._forbidden_V = _forbidden(num_rows, tokenizer).to(model.device)

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Generated]:
        """Answer each prompt, up to the stop marker or an end of text of the base model."""
        answers: dict[int, Generated] = {}
        batches = prompt_batches(
            prompts,
            max_new_tokens=sampling.max_new_tokens,
            max_rows=MAX_ROWS,
            max_tokens=MAX_CACHE_TOKENS,
        )
        with torch.inference_mode():
            for batch in batches:
                answers |= self._answers(batch, sampling, seeds)
        return [answers[row] for row in range(len(prompts))]

    def _answers(
        self, batch: Sequence[PromptRows], sampling: Sampling, seeds: Sequence[int]
    ) -> dict[int, Generated]:
        """Return the answers of one batch by row."""
        rows = [row for prompt in batch for row in prompt.rows]
        chooser = TokenChooser(sampling, [seeds[row] for row in rows], self._forbidden_V)
        decoding = _Decoding(self._model, batch)
        written: dict[int, list[int]] = {row: [] for row in rows}
        finished: set[int] = set()
        for _ in range(sampling.max_new_tokens):
            self._on_token()
            tokens_B = chooser.choose(decoding.logits_BV)
            is_stop_B = torch.isin(tokens_B, self._stop_ids).tolist()
            for row, token, is_stop in zip(rows, tokens_B.tolist(), is_stop_B, strict=True):
                if row not in finished and is_stop:
                    finished.add(row)
                elif row not in finished:
                    written[row].append(token)
            alive = [place for place, row in enumerate(rows) if row not in finished]
            if not alive:
                break
            if len(alive) < _COMPACT_BELOW * len(rows):
                rows = [rows[place] for place in alive]
                chooser.keep(alive)
                decoding.keep(alive)
                tokens_B = tokens_B[alive]
            decoding.step(tokens_B)
        return {row: Generated(tuple(ids), row in finished) for row, ids in written.items()}


class _Decoding:
    """The rows of a batch: their cache, and the logits of what comes next."""

    def __init__(self, model: PreTrainedModel, batch: Sequence[PromptRows]) -> None:
        """Compute each prompt once, padded on the left, then give every row its own cache."""
        self._model = model
        longest = max(len(prompt.ids) for prompt in batch)
        ids_PT = _padded([prompt.ids for prompt in batch], longest).to(model.device)
        lengths_P = torch.tensor([len(prompt.ids) for prompt in batch], device=model.device)
        # True where there is a token, False in the padding on the left
        is_token_PT = torch.arange(longest, device=model.device) >= longest - lengths_P[:, None]
        position_PT = (is_token_PT.cumsum(1) - 1).clamp(min=0)
        self._cache = roomy_cache(model.config)
        self._fixed_arguments = _fixed_arguments(model, self._cache)
        logits_PV = self._forward(ids_PT, is_token_PT, position_PT)
        repeats_P = torch.tensor([len(prompt.rows) for prompt in batch], device=model.device)
        prompt_of_B = torch.arange(len(batch), device=model.device).repeat_interleave(repeats_P)
        if len(prompt_of_B) > len(batch):
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

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these rows only."""
        kept_B = torch.tensor(places, device=self._is_token_BT.device)
        self._cache.batch_select_indices(kept_B)
        self._is_token_BT = self._is_token_BT[kept_B]
        self._next_position_B = self._next_position_B[kept_B]

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


def _padded(prompts: Sequence[Sequence[int]], length: int) -> Tensor:
    """Return the prompts, padded on the left with id 0, which the mask hides."""
    return torch.tensor([[0] * (length - len(ids)) + list(ids) for ids in prompts])


def _forbidden(num_rows: int, tokenizer: ChatTokenizer) -> Tensor:
    """Return [V], True for markers other than the stop and for rows that are no token at all."""
    forbidden_V = torch.arange(num_rows) >= tokenizer.num_tokens
    forbidden_V[[tokenizer.system_id, tokenizer.label_id]] = True
    return forbidden_V
