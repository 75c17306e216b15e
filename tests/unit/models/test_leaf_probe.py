import pytest
import torch
from transformers import (
    AutoModel,
    BloomConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
)

from steerlm_jobs.models.apm import Apm, scoring_note
from steerlm_jobs.models.leaf_probe import NO_LIMIT, longest_shared

SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}


def a_backbone(config, **kwargs) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModel.from_config(config, **kwargs).eval()


def found(backbone: PreTrainedModel) -> int:
    apm = Apm(backbone, 2)
    return longest_shared(apm.marker_states, backbone.config, torch.device("cpu"))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_llama_scores_all_turns_at_once(attention, dtype):
    backbone = a_backbone(LlamaConfig(**SIZES), attn_implementation=attention).to(dtype)
    assert found(backbone) == NO_LIMIT


def test_learned_positions_do_too():
    assert found(a_backbone(GPT2Config(vocab_size=128, n_embd=32, n_layer=2, n_head=4))) == NO_LIMIT


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (MistralConfig(**SIZES, sliding_window=40), 40),
        (MistralConfig(**SIZES, sliding_window=None), NO_LIMIT),
        (Qwen2Config(**SIZES, sliding_window=40, use_sliding_window=True, max_window_layers=1), 40),
        (Qwen2Config(**SIZES, sliding_window=40, use_sliding_window=False), NO_LIMIT),
    ],
)
def test_a_window_limits_the_rows(config, limit):
    assert found(a_backbone(config)) == limit


def test_a_convolution_is_noticed():
    config = Lfm2Config(**SIZES, layer_types=["conv", "full_attention"])
    assert found(a_backbone(config)) == 0


def test_positions_that_come_from_the_mask_are_noticed():
    config = BloomConfig(vocab_size=128, hidden_size=32, n_layer=2, n_head=4)
    assert found(a_backbone(config)) == 0


def test_the_note_says_why_turns_are_scored_one_by_one():
    apm = Apm(a_backbone(LlamaConfig(**SIZES)), 2)
    assert "does not take a mask" in scoring_note(apm, 100)
    apm.longest_shared = 64
    assert "sees 64 tokens back" in scoring_note(apm, 100)
    assert scoring_note(apm, 64) == ""
