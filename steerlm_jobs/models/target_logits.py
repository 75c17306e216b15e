"""Logits of the tokens that bear loss, and of no others: most of a vocabulary's cost is saved."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.models.loading import output_layer


class TargetLogits(nn.Module):
    """A causal LM that computes logits at chosen positions of packed rows."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.has_plain_output = _has_plain_output(model)

    def hidden_states(self, ids_BT: Tensor, position_ids_BT: Tensor) -> Tensor:
        """Return the last hidden states [B, T, D]; positions that restart keep rows apart."""
        hidden_BTD: Tensor = self.model.base_model(
            input_ids=ids_BT, position_ids=position_ids_BT, attention_mask=None, use_cache=False
        ).last_hidden_state
        return hidden_BTD

    def forward(self, ids_BT: Tensor, position_ids_BT: Tensor, is_target_BT: Tensor) -> Tensor:
        """Return logits [N, V] at the N positions where `is_target_BT` is True, row by row."""
        if self.has_plain_output:
            hidden_ND = self.hidden_states(ids_BT, position_ids_BT)[is_target_BT]
            return _output(self.model, hidden_ND)
        logits_BTV: Tensor = self.model(
            input_ids=ids_BT, position_ids=position_ids_BT, attention_mask=None, use_cache=False
        ).logits
        return logits_BTV[is_target_BT]


@torch.no_grad()
def _has_plain_output(model: PreTrainedModel) -> bool:
    """Return False where the model scales or caps its logits after the output layer."""
    ids = torch.arange(4, device=model.device)[None]
    full = model(input_ids=ids, use_cache=False).logits
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return torch.equal(_output(model, hidden), full)


def _output(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    layer = output_layer(model)
    if layer is None:
        raise BadConfigError("this model has no output layer: it is no causal language model")
    logits: Tensor = layer(hidden)
    return logits
