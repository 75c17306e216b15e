"""The regression form in training: a backbone, and a head that starts at the mean labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch

from steerlm_jobs.models.apm import Apm, save_head
from steerlm_jobs.models.loading import best_device, load_backbone, save_model
from steerlm_jobs.models.lora import trained_parameters
from steerlm_jobs.train.apm_data import apm_rows, mean_labels
from steerlm_jobs.train.apm_form import ApmForm, ApmStart, with_adapters, without_adapters
from steerlm_jobs.train.batches import Layout, micro_batches
from steerlm_jobs.train.engine import Engine, ParameterGroup
from steerlm_jobs.train.objectives import ApmExample, ApmObjective
from steerlm_jobs.train.setting import live_dtype, stored_dtype


class RegressionTraining:
    """A head on the last marker; it says the training means, whatever it reads, before training."""

    def __init__(self, start: ApmStart, examples: Sequence[ApmExample]) -> None:
        self._start = start
        means_A = mean_labels(examples, len(start.schema.names))
        backbone = load_backbone(start.base, live_dtype(start.training))
        self._apm = Apm(backbone, len(means_A))
        with torch.no_grad():
            self._apm.head.bias.copy_(means_A)
        with_adapters(backbone, start)
        self.objective = ApmObjective(self._apm.to(best_device()))

    @property
    def parameter_groups(self) -> list[ParameterGroup]:
        """Return backbone and head, each with its learning rate."""
        training, apm = self._start.training, self._apm
        backbone = {f"backbone.{name}": p for name, p in trained_parameters(apm.backbone).items()}
        head = {f"head.{name}": p for name, p in trained_parameters(apm.head).items()}
        head_rate = training.head_learning_rate or training.learning_rate
        return [ParameterGroup(backbone, training.learning_rate), ParameterGroup(head, head_rate)]

    @torch.no_grad()
    def scored(
        self, examples: Sequence[ApmExample], layout: Layout, engine: Engine
    ) -> list[tuple[ApmExample, list[float]]]:
        """Return each example with its scores; all ranks compute all of them."""
        scored: list[tuple[ApmExample, list[float]]] = []
        for batch in micro_batches(examples, layout):
            with engine.precision():
                scores_BA = self.objective.scores(batch, engine.device)
            scored += zip(batch.examples, scores_BA.tolist(), strict=True)
        return scored

    def save(self, folder: Path) -> Mapping[str, object]:
        """Write backbone and head."""
        base = self._start.base
        backbone = without_adapters(self._apm.backbone, self._start, load_backbone, folder)
        save_model(backbone, folder, self._start.stored_tokenizer, stored_dtype(base))
        save_head(self._apm.head, folder)
        return {}


REGRESSION_FORM: Final = ApmForm(apm_rows, RegressionTraining, card="apm")
