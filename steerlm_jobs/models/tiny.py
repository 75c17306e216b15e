"""`scratch:tiny`: a tokenizer and a small Llama made from nothing but texts. For tries.

The number of steps is fixed, so the same texts and seed give the same model on the same machine.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from steerlm_jobs.models.licence import CARD_FILE
from steerlm_jobs.models.loading import fast_tokenizer, save_model
from steerlm_jobs.models.tiny_tokenizer import BOS, EOS, UNKNOWN, train_tokenizer

NUM_STEPS: Final = 160
_ROWS, _LENGTH_TOKENS = 32, 64
_LEARNING_RATE: Final = 4e-3
_WARMUP_STEPS: Final = 20
_SPELLED_COPIES: Final = 100
"""Pieces go to what is frequent; a system prompt stands in no text but in every conversation."""
_WIDTH, _LAYERS, _HEADS = 96, 3, 4
MAX_POSITION: Final = 4096
_ALWAYS_SPELLED: Final = ("System", "0123456789")
_CARD: Final = """---
license: other
license_name: that of the run's own data
---
A model that was made from nothing but the texts of a run, for tries.
"""

OnStep = Callable[[int, int], None]
"""Called with (steps done, all steps); may raise to end early."""


def make_tiny(
    texts: Sequence[str],
    folder: Path,
    *,
    seed: int,
    spelled: tuple[str, ...] = (),
    num_steps: int = NUM_STEPS,
    on_step: OnStep | None = None,
) -> None:
    """Write a tiny causal LM that has seen `texts`, as a Hugging Face folder in fp32.

    Args:
        texts: What it should speak like; at least a few kilobytes.
        folder: Where to write; made if missing.
        seed: Of weights and order.
        spelled: What the tokenizer should know besides, in few tokens: system prompt, names.
        num_steps: Steps of pre-training, each of 2,048 tokens.
        on_step: Told after each step.
    """
    tokenizer = train_tokenizer([*texts, *((*spelled, *_ALWAYS_SPELLED) * _SPELLED_COPIES)])
    model = _untrained(tokenizer.get_vocab_size(), seed)
    _pretrain(model, _stream(tokenizer, texts), seed, num_steps, on_step or (lambda _d, _t: None))
    fast = fast_tokenizer(tokenizer, {"unk_token": UNKNOWN, "bos_token": BOS, "eos_token": EOS})
    save_model(model, folder, fast, torch.float32)
    (folder / CARD_FILE).write_text(_CARD, encoding="utf-8")


def _untrained(num_tokens: int, seed: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=-(-(num_tokens + 3) // 64) * 64,  # room for the markers
        hidden_size=_WIDTH,
        intermediate_size=3 * _WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        num_key_value_heads=_HEADS,
        max_position_embeddings=MAX_POSITION,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def _stream(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return all texts as one row of ids, each between BOS and EOS."""
    eos = tokenizer.token_to_id(EOS)
    encoded = tokenizer.encode_batch_fast(list(texts))
    ids = [i for e in encoded for i in (*e.ids, eos)]
    shortest = _LENGTH_TOKENS + 1
    return torch.tensor(ids * math.ceil(shortest / max(len(ids), 1)), dtype=torch.long)


def _pretrain(
    model: LlamaForCausalLM, stream: torch.Tensor, seed: int, num_steps: int, on_step: OnStep
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, num_steps))
    model.train()
    for step in range(num_steps):
        starts = torch.randint(len(stream) - _LENGTH_TOKENS, (_ROWS,), generator=generator)
        rows = stream[starts[:, None] + torch.arange(_LENGTH_TOKENS + 1)]
        logits = model(rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        on_step(step + 1, num_steps)
    model.train(mode=False)


def _factor(step: int, num_steps: int) -> float:
    warm = min(1.0, (step + 1) / _WARMUP_STEPS)
    return warm * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, step / num_steps))))
