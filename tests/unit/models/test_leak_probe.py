import torch

from steerlm_jobs.models.leak_probe import can_be_packed
from steerlm_jobs.models.target_logits import TargetLogits
from tests.unit.models.builders import a_model

FIRST, SECOND = torch.arange(10, 40), torch.arange(100, 125)


def test_a_llama_keeps_packed_conversations_apart():
    assert can_be_packed(TargetLogits(a_model()).hidden_states, FIRST, SECOND)


def test_a_bf16_llama_keeps_them_apart():
    model = a_model(dtype=torch.bfloat16)
    assert can_be_packed(TargetLogits(model).hidden_states, FIRST, SECOND)


def test_a_mask_of_ones_lets_them_read_each_other():
    """The trap that the probe is for: transformers then takes the row for one conversation."""
    model = a_model()

    def leaking(ids, position_ids):
        return model.base_model(
            input_ids=ids, position_ids=position_ids, attention_mask=torch.ones_like(ids)
        ).last_hidden_state

    assert not can_be_packed(leaking, FIRST, SECOND)


def test_a_short_convolution_leaks():
    model = a_model()

    def smeared(ids, position_ids):
        hidden = TargetLogits(model).hidden_states(ids, position_ids)
        return hidden + 0.1 * hidden.roll(1, dims=1)

    assert not can_be_packed(smeared, FIRST, SECOND)
