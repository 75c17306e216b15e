"""Our batched decoding loop over the cache of Transformers.

Each prompt is computed once for all of its samples, finished rows leave the batch, and a row's
answer does not depend on its neighbours (beyond rounding in the last bits of the logits).
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.generate.batches import PromptRows, prompt_batches
from steerlm_jobs.generate.choosing import TokenChooser
from steerlm_jobs.generate.generator import Generated, Sampling
from steerlm_jobs.models.cached_rows import CachedRows

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
        decoding = CachedRows(
            self._model, [prompt.ids for prompt in batch], [len(prompt.rows) for prompt in batch]
        )
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


def _forbidden(num_rows: int, tokenizer: ChatTokenizer) -> Tensor:
    """Return [V], True where a token is never chosen."""
    forbidden_V = torch.zeros(num_rows, dtype=torch.bool)
    forbidden_V[tokenizer.never_sampled(num_rows)] = True
    return forbidden_V
