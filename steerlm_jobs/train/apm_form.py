"""The forms of the attribute prediction model while it is trained: what differs between them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.data.chat_template import scoring_chat_template
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.loading import load_tokenizer
from steerlm_jobs.models.lora import add_adapters, merged, save_adapter, trained_parameters
from steerlm_jobs.train.apm_data import ApmRows, L
from steerlm_jobs.train.batches import Layout
from steerlm_jobs.train.engine import Engine, ParameterGroup
from steerlm_jobs.train.objectives import Objective


@dataclass(frozen=True, slots=True)
class ApmStart:
    """What a training starts from."""

    base: Path
    """Folder of the marked base model."""
    tokenizer: ChatTokenizer
    schema: Schema
    training: Training
    seed: int
    system: str
    """System prompt of conversations that bring none."""

    @property
    def stored_tokenizer(self) -> PreTrainedTokenizerFast:
        """The base's tokenizer; its chat template ends where the score is read."""
        tokenizer = load_tokenizer(self.base)
        tokenizer.chat_template = scoring_chat_template(
            system=self.system, adds_bos=bool(self.tokenizer.bos_ids)
        )
        return tokenizer

    @property
    def marker_ids(self) -> list[int]:
        """The rows that adapters train besides."""
        return sorted(self.tokenizer.marker_ids.values())


class LiveApm(Protocol[L]):
    """A model in training."""

    @property
    def objective(self) -> Objective[L]:
        """The model and its loss."""

    @property
    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """What is trained."""

    def scored(
        self, examples: Sequence[L], layout: Layout, engine: Engine
    ) -> list[tuple[L, list[float]]]:
        """Return each example with its scores, 0..1, in the schema's order."""

    def save(self, folder: Path) -> Mapping[str, object]:
        """Write the weights; return what else `steerlm.json` should say of the model."""


@dataclass(frozen=True, slots=True)
class ApmForm(Generic[L]):
    """One form: how rows are made, how training starts, and which model card it has."""

    rows: Callable[[Iterable[Conversation], ChatTokenizer, Schema, int], ApmRows[L]]
    """(labelled conversations, tokenizer, attributes, longest row in tokens) -> rows"""
    start: Callable[[ApmStart, Sequence[L]], LiveApm[L]]
    """(start, training examples) -> model to train"""
    card: str


def with_adapters(model: PreTrainedModel, start: ApmStart) -> PreTrainedModel:
    """Put adapters into a model, in place, if the training says so."""
    if start.training.method == "Lora":
        add_adapters(model, start.training.lora, start.marker_ids, start.seed)
    return model


def without_adapters(
    model: PreTrainedModel,
    start: ApmStart,
    load: Callable[[Path, torch.dtype], PreTrainedModel],
    folder: Path,
) -> PreTrainedModel:
    """Return the model as it is stored: adapters are saved to `folder`, and merged."""
    if start.training.method != "Lora":
        return model
    save_adapter(model, folder)
    fresh = load(start.base, torch.float32)
    return merged(fresh, start.training.lora, start.marker_ids, trained_parameters(model))
