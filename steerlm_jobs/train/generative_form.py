"""The generative form in training: a causal LM learns to write an answer's labels after it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from steerlm_jobs.models.generative_apm import GENERATIVE, GenerativeApm, check_writable
from steerlm_jobs.models.loading import best_device, load_causal_lm, save_model
from steerlm_jobs.models.lora import trained_parameters
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.train.apm_form import ApmForm, ApmStart, with_adapters, without_adapters
from steerlm_jobs.train.batches import Layout, MicroBatch
from steerlm_jobs.train.engine import Engine, ParameterGroup
from steerlm_jobs.train.label_text_data import LabelTextExample, label_groups, label_text_rows
from steerlm_jobs.train.objectives import text_loss_sum
from steerlm_jobs.train.setting import live_dtype, stored_dtype


class LabelTextObjective:
    """Cross-entropy of the label text."""

    def __init__(self, model: TargetLogits) -> None:
        self.module = model

    def loss_sum(self, batch: MicroBatch[LabelTextExample], device: torch.device) -> Tensor:
        """Return the summed cross-entropy of the batch's label texts."""
        return text_loss_sum(self.module, batch, device)

    def hidden_states(self, ids_BT: Tensor, position_ids_BT: Tensor) -> Tensor:
        """Return the last hidden states."""
        return self.module.hidden_states(ids_BT, position_ids_BT)


class GenerativeTraining:
    """The model, and the groups in which its attributes stand."""

    def __init__(self, start: ApmStart, examples: Sequence[LabelTextExample]) -> None:
        self._start = start
        self._groups = label_groups(examples, start.schema)
        check_writable(start.tokenizer, start.schema, self._groups)
        model = load_causal_lm(start.base, live_dtype(start.training))
        with_adapters(model, start)
        self.objective = LabelTextObjective(TargetLogits(model).to(best_device()))

    @property
    def parameter_groups(self) -> list[ParameterGroup]:
        """Return all that is trained; there is no head with a learning rate of its own."""
        trained = trained_parameters(self.objective.module)
        return [ParameterGroup(trained, self._start.training.learning_rate)]

    def scored(
        self,
        examples: Sequence[LabelTextExample],
        layout: Layout,  # of training rows; here prompts are read
        engine: Engine,
    ) -> list[tuple[LabelTextExample, list[float]]]:
        """Return each example with its scores."""
        start = self._start
        apm = GenerativeApm(
            self.objective.module.model, start.tokenizer, start.schema, self._groups
        )
        with engine.precision():
            scores = apm.unit_scores([example.prompt for example in examples])
        return list(zip(examples, scores, strict=True))

    def save(self, folder: Path) -> Mapping[str, object]:
        """Write the model; its form and groups go into `steerlm.json`."""
        base = self._start.base
        model = without_adapters(self.objective.module.model, self._start, load_causal_lm, folder)
        save_model(model, folder, self._start.stored_tokenizer, stored_dtype(base))
        return {"form": GENERATIVE, "groups": self._groups}


GENERATIVE_FORM: Final = ApmForm(label_text_rows, GenerativeTraining, card="generativeApm")
