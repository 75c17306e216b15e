"""A tiny random Llama and a tokenizer of single letters. Needs no training."""

from functools import cache

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from steerlm_jobs.data.template import MARKERS
from steerlm_jobs.data.tokens import ChatTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:,.?!_ \n"
NUM_ROWS = 128
"""Rows of the model's embedding; the tokenizer knows fewer."""


@cache
def letter_tokenizer() -> Tokenizer:
    """Return a tokenizer with one token per letter, the markers after them."""
    vocabulary = {letter: i for i, letter in enumerate(["<unk>", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(list(MARKERS))
    return tokenizer


def a_tokenizer(**kwargs) -> ChatTokenizer:
    return ChatTokenizer(letter_tokenizer(), **kwargs)


def a_config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=NUM_ROWS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


def a_model(seed: int = 0) -> LlamaForCausalLM:
    """Return a random model in fp32: large weights, so that its distributions are not flat."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(a_config()).eval()
