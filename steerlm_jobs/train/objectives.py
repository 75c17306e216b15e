"""What a model is trained towards: answers under labels (ACSFT), or labels of answers (APM)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from steerlm_jobs.models.apm import Apm
from steerlm_jobs.models.losses import squared_error_sum, token_loss_sum
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.train.batches import E, Example, MicroBatch, is_last_of_example, spread


class Objective(Protocol[E]):
    """A model and the loss it is trained with."""

    @property
    def module(self) -> nn.Module:
        """The model."""

    def loss_sum(self, batch: MicroBatch[E], device: torch.device) -> Tensor:
        """Return the sum of the loss over the batch's terms, as many as its examples weigh."""

    def hidden_states(self, ids_BT: Tensor, position_ids_BT: Tensor) -> Tensor:
        """Return the last hidden states [B, T, D], for the leak probe."""


class TextExample(Example, Protocol):
    """A conversation of which some text is learnt."""

    @property
    def loss_mask(self) -> Tensor:
        """True where the token counts in the loss, as a target [T]."""


T = TypeVar("T", bound=TextExample)


@dataclass(frozen=True, slots=True, eq=False)
class AcsftExample:
    """A conversation whose answers are learnt."""

    ids: Tensor
    loss_mask: Tensor
    """True where the token counts in the loss, as a target."""
    source: str

    @property
    def weight(self) -> int:
        """Target tokens."""
        return int(self.loss_mask[1:].sum())


@dataclass(frozen=True, slots=True, eq=False)
class ApmExample:
    """A conversation whose last answer has human labels."""

    ids: Tensor
    labels_A: Tensor
    """On the scale 0..1; anything where `known_A` is False."""
    known_A: Tensor
    """True where a person gave a label."""
    source: str

    @property
    def weight(self) -> int:
        """Known labels."""
        return int(self.known_A.sum())


class AcsftObjective:
    """Cross-entropy of the tokens that bear loss."""

    def __init__(self, model: TargetLogits) -> None:
        self.module = model

    def loss_sum(self, batch: MicroBatch[AcsftExample], device: torch.device) -> Tensor:
        """Return the summed cross-entropy of the batch's target tokens."""
        return text_loss_sum(self.module, batch, device)

    def hidden_states(self, ids_BT: Tensor, position_ids_BT: Tensor) -> Tensor:
        """Return the last hidden states."""
        return self.module.hidden_states(ids_BT, position_ids_BT)


class ApmObjective:
    """Squared error over the labels that people gave."""

    def __init__(self, model: Apm) -> None:
        self.module = model

    def loss_sum(self, batch: MicroBatch[ApmExample], device: torch.device) -> Tensor:
        """Return the summed squared error of the batch's known labels."""
        labels_BA = torch.stack([e.labels_A for e in batch.examples]).to(device)
        known_BA = torch.stack([e.known_A for e in batch.examples]).to(device)
        return squared_error_sum(self.scores(batch, device), labels_BA, known_BA)

    def scores(self, batch: MicroBatch[ApmExample], device: torch.device) -> Tensor:
        """Return scores [B, A] of the batch's examples, row by row."""
        scores_BA: Tensor = self.module(
            batch.ids_BT.to(device),
            batch.position_ids_BT.to(device),
            is_last_of_example(batch).to(device),
        )
        return scores_BA

    def hidden_states(self, ids_BT: Tensor, position_ids_BT: Tensor) -> Tensor:
        """Return the last hidden states."""
        hidden_BTD: Tensor = self.module.backbone(
            input_ids=ids_BT, position_ids=position_ids_BT, attention_mask=None, use_cache=False
        ).last_hidden_state
        return hidden_BTD


def text_loss_sum(model: TargetLogits, batch: MicroBatch[T], device: torch.device) -> Tensor:
    """Return the summed cross-entropy of a batch's target tokens."""
    is_target_BT = spread(batch, _is_followed_by_target)
    next_ids_BT = batch.ids_BT.roll(-1, dims=1)
    logits_NV = model(
        batch.ids_BT.to(device), batch.position_ids_BT.to(device), is_target_BT.to(device)
    )
    return token_loss_sum(logits_NV, next_ids_BT[is_target_BT].to(device))


def total_weight(examples: Sequence[E]) -> int:
    """Return how many terms the loss of these examples has."""
    return sum(example.weight for example in examples)


def _is_followed_by_target(example: TextExample) -> Tensor:
    """Return [T]: True at the token before each target of the same conversation."""
    return torch.cat((example.loss_mask[1:], torch.zeros(1, dtype=torch.bool)))
