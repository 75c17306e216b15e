"""One training as both training stages run it: plan, layout, loop, and what is written of it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.models.loading import write_json
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.train.batches import E, Layout
from steerlm_jobs.train.engine import Engine
from steerlm_jobs.train.history import History
from steerlm_jobs.train.loop import Quality, TrainingTask, train
from steerlm_jobs.train.objectives import Objective
from steerlm_jobs.train.packing_choice import chosen_layout
from steerlm_jobs.train.setting import check_steps, training_json
from steerlm_jobs.train.step_plan import Steps, effective_epochs, evaluation_interval, step_plan

_CURVES: Final = "curves.jsonl"


@dataclass(frozen=True, slots=True)
class Data(Generic[E]):
    """What is learnt from, and what the best weights are chosen on."""

    training: Sequence[E]
    validation: Sequence[E]
    """May be empty."""

    @property
    def sources(self) -> list[str]:
        """Names of the data sources that are learnt from."""
        return sorted({example.source for example in self.training})


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went."""

    history: History
    layout: Layout
    effective_epochs: Mapping[str, float]
    """How often an example of each source was seen."""

    @property
    def metrics(self) -> dict[str, str]:
        """Return the figures of the stage's report."""
        found = {"steps": str(self.history.step)}
        if self.history.best_step:
            loss = dict(self.history.validation).get(self.history.best_step)
            found |= {} if loss is None else {"validationLoss": f"{loss:.6g}"}
        if self.history.quality:
            found["quality"] = f"{dict(self.history.quality)[self.history.best_step]:.6g}"
        return found


def planned_steps(
    data: Data[E], training: Training, seed: int, weights: Mapping[str, float] | None = None
) -> Steps:
    """Return which examples each step learns from.

    Raises:
        BadInputError: There is nothing to learn from.
        BadConfigError: The token budget is below a single step.
    """
    examples = data.training
    lengths, sources = [len(e.ids) for e in examples], [e.source for e in examples]
    steps = step_plan(lengths, sources, training, seed=seed, weights=weights or {})
    check_steps(steps, training, len(examples))
    return steps


def run_training(
    data: Data[E],
    steps: Steps,
    training: Training,
    seed: int,
    objective: Objective[E],
    engine: Engine,
    context: StageContext,
    quality: Quality | None = None,
) -> Trained:
    """Train to the end of the plan, or from the newest checkpoint on; the best weights stay.

    All ranks call it.

    Raises:
        DivergedError: Loss or gradient was not finite three times in a row.
        InterruptedStageError: Asked to stop; a checkpoint was written.
    """
    layout = chosen_layout(
        objective,
        data.training,
        training,
        micro_batch_tokens=context.config.execution.micro_batch_tokens,
        device=engine.device,
        notes=context.notes,
    )
    task = TrainingTask(
        objective=objective,
        examples=data.training,
        validation=data.validation,
        steps=steps,
        training=training,
        layout=layout,
        evaluation_every_steps=evaluation_interval(training, steps),
        seed=seed,
        quality=quality,
    )
    history = train(task, engine, context, context.scratch / _CURVES)
    return Trained(history, layout, effective_epochs(steps, [e.source for e in data.training]))


def copy_curves(context: StageContext, telemetry: Path) -> None:
    """Keep the course of the training, a line a step, beside the result."""
    curves = context.scratch / _CURVES
    if curves.exists():
        shutil.copyfile(curves, telemetry / _CURVES)


def write_training(folder: Path, data: Data[E], trained: Trained, **more: object) -> None:
    """Write `training.json`."""
    value = training_json(
        trained.history,
        examples=len(data.training),
        validationExamples=len(data.validation),
        effectiveEpochs=dict(trained.effective_epochs),
        packing="Packed" if trained.layout.is_packed else "Padded",
        **more,
    )
    write_json(folder / "training.json", value)
