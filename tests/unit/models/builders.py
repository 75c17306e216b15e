"""Tiny random models. Nothing is trained."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from steerlm_jobs.models.loading import fast_tokenizer
from steerlm_jobs.models.tiny_tokenizer import BOS, EOS, UNKNOWN, train_tokenizer
from tests.unit.template.builders import TEXTS


def a_model(
    *, num_rows: int = 420, is_tied: bool = False, seed: int = 0, dtype: torch.dtype = torch.float32
) -> LlamaForCausalLM:
    """Return a random model with weights so large that its outputs differ clearly."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=num_rows,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        tie_word_embeddings=is_tied,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def an_unmarked_tokenizer() -> PreTrainedTokenizerFast:
    return fast_tokenizer(
        train_tokenizer(TEXTS, 400), {"bos_token": BOS, "eos_token": EOS, "unk_token": UNKNOWN}
    )
