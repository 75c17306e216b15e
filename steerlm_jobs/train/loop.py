"""The training loop: steps, validation, checkpoints. What it knows of models is their loss.

All ranks run it in lock-step: whatever decides how it goes on is agreed first.
"""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import torch
from torch import Tensor

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.checkpoints import CheckpointStore
from steerlm_jobs.store.clock import monotonic_seconds
from steerlm_jobs.train.batches import E, Layout, MicroBatch, own_micro_batches
from steerlm_jobs.train.checkpoint import TrainingState, read_checkpoint, write_checkpoint
from steerlm_jobs.train.engine import Engine
from steerlm_jobs.train.history import History
from steerlm_jobs.train.memory import naming_a_batch_that_fits
from steerlm_jobs.train.objectives import Objective, total_weight
from steerlm_jobs.train.schedule import learning_rate_factor
from steerlm_jobs.train.step_plan import Steps

Quality = Callable[[Callable[[], None]], float]
"""Returns how good the model's answers are; calls its argument often, which may raise to leave."""


@dataclass(frozen=True, slots=True)
class TrainingTask(Generic[E]):
    """What is to be trained, on what, in which order."""

    objective: Objective[E]
    examples: Sequence[E]
    validation: Sequence[E]
    """May be empty: then the last weights are the best."""
    steps: Steps
    training: Training
    layout: Layout
    evaluation_every_steps: int
    seed: int
    quality: Quality | None = None
    """None: the smallest validation loss is the best; else the largest quality."""


def train(
    task: TrainingTask[E], engine: Engine, context: StageContext, curves: Path | None = None
) -> History:
    """Train from the newest checkpoint, or from the start; leave the best weights in the engine.

    Args:
        task: What to train.
        engine: Holds the weights.
        context: Its stop flag ends training after a checkpoint.
        curves: Telemetry, a line of JSON per step.

    Raises:
        InterruptedStageError: The stop flag was set; a checkpoint has been written.
        DivergedError: Three steps in a row were not finite.
        OutOfMemoryError: The device cannot hold a micro-batch; the message names one that fits.
    """
    run = _Run(task, engine, context, curves)
    run.resume()
    run.validate_if_due()  # where the attempt before was stopped within it
    while run.step < len(task.steps):
        run.one_step()
        run.validate_if_due()
        run.save_if_due()
    return run.finish()


class _Run(Generic[E]):
    def __init__(
        self, task: TrainingTask[E], engine: Engine, context: StageContext, curves: Path | None
    ) -> None:
        self._task, self._engine, self._context = task, engine, context
        self._ranks = engine.ranks
        self._curves = None if self._ranks.rank else curves
        self._validation = own_micro_batches(task.validation, task.layout, self._ranks)
        self._checkpoints = CheckpointStore(context.config, context.scratch)
        self._state = TrainingState(History())
        self._saved_at = monotonic_seconds()
        self._started_at, self._tokens_before = self._saved_at, 0

    @property
    def step(self) -> int:
        """Steps done."""
        return self._state.history.step

    def resume(self) -> None:
        """Continue from the newest checkpoint of any attempt."""
        found = None if self._ranks.rank else self._checkpoints.newest()
        resumed = read_checkpoint(found[1] if found is not None else None, self._engine)
        self._state = resumed or self._state
        self._tokens_before = self._state.history.num_tokens
        self._context.progress.update(
            done=self.step,
            total=len(self._task.steps),
            unit="steps",
            activity="training",
            checkpoint_step=self.step,
        )

    def one_step(self) -> None:
        """Make one optimizer update from exactly the examples that the plan names."""
        task, engine = self._task, self._engine
        # Dropout, where there is some, depends on step and rank alone: resumed runs draw the same.
        of_rank = [str(self._ranks.rank)] if self._ranks.rank else []
        torch.manual_seed(derived_seed(task.seed, "step", str(self.step), *of_rank))
        examples = [task.examples[i] for i in task.steps[self.step]]
        engine.set_training(True)  # as nn.Module.train
        loss = self._accumulate(examples)
        if math.isfinite(loss):
            factor = learning_rate_factor(task.training, self.step, len(task.steps))
            norm = engine.update(factor)
        else:
            norm = math.nan
        self._state.history.add_step(loss, norm, sum(len(e.ids) for e in examples))
        self._tell(loss, norm)

    def validate_if_due(self) -> None:
        """Validate at the interval and after the last step; keep the best weights."""
        task = self._task
        is_last = self.step == len(task.steps)
        is_due = is_last or self.step % task.evaluation_every_steps == 0
        if not task.validation or not is_due or not self._state.history.needs_validation:
            return
        self._context.progress.update(activity="validating")
        loss = mean_loss(task.objective, self._validation, self._engine, self._tick)
        if self._state.history.add_validation(loss, self._quality()):
            self._state.best_weights = self._engine.weights()
        self._context.progress.update(activity="training")

    def save_if_due(self) -> None:
        """Write a checkpoint at the interval, or because the stage was asked to stop."""
        execution = self._context.config.execution
        every = execution.checkpoint_every_steps
        is_due = every is not None and self.step % every == 0
        is_due |= monotonic_seconds() - self._saved_at >= execution.checkpoint_every_seconds
        is_due, is_stopped = self._ranks.any_of(is_due, self._context.stop.is_set)
        if is_due or is_stopped:
            self._save()
        if is_stopped:
            self._leave()

    def finish(self) -> History:
        """Leave the best weights in the engine."""
        if self._state.best_weights is not None:
            self._engine.load_weights(self._state.best_weights)
        self._engine.set_training(False)  # as nn.Module.train
        return self._state.history

    def _quality(self) -> float | None:
        if self._task.quality is None:
            return None
        self._context.progress.update(activity="answering")
        quality = self._task.quality(self._tick)
        return float(self._ranks.first_says(repr(quality)))  # all judge by the same number

    def _accumulate(self, examples: Sequence[E]) -> float:
        """Add up a step's gradients; return its mean loss per term, NaN at the first bad one."""
        weight = max(1, total_weight(examples))
        total = 0.0
        batches = own_micro_batches(examples, self._task.layout, self._ranks)
        for batch in batches:
            with naming_a_batch_that_fits(batch):
                loss = self._loss_sum(batch) / weight
                value = loss.item()
                # Agreed before the backward pass: in some engines a rank without one stops all.
                if self._ranks.any_of(not math.isfinite(value))[0]:
                    self._engine.discard(loss)
                    return math.nan
                self._engine.backward(loss, is_last=batch is batches[-1])
            total += value
            self._context.progress.tick()
        return self._ranks.sum_of(total)[0]

    def _loss_sum(self, batch: MicroBatch[E]) -> Tensor:
        with self._engine.precision():
            loss = self._task.objective.loss_sum(batch, self._engine.device)
        return loss * 0 if batch.is_filler else loss

    def _tick(self) -> None:
        """Go on, or leave a checkpoint from which validation is made anew."""
        (is_stopped,) = self._ranks.any_of(self._context.stop.is_set)
        if is_stopped:
            self._save()
            self._leave()
        self._context.progress.tick()

    def _leave(self) -> None:
        """End the stage here, as on all ranks: one of them was asked to stop."""
        self._context.stop.set()
        self._context.stop.raise_if_set()

    def _save(self) -> None:
        folder = self._context.scratch / f"checkpoint-{self.step}"
        shutil.rmtree(folder, ignore_errors=True)
        write_checkpoint(folder, self._engine, self._state)
        if not self._ranks.rank:
            self._checkpoints.save(self.step, folder)
            self._checkpoints.prune()
            shutil.rmtree(folder)
        # Nobody goes on, or leaves, before it is stored: a rank that ends takes the others along.
        self._ranks.any_of(False)  # noqa: FBT003  # a meeting, nothing to say
        self._saved_at = monotonic_seconds()
        self._context.progress.update(checkpoint_step=self.step)

    def _tell(self, loss: float, norm: float) -> None:
        seconds = max(1e-9, monotonic_seconds() - self._started_at)
        speed = (self._state.history.num_tokens - self._tokens_before) / seconds
        figures = {"loss": loss, "gradient_norm": norm, "tokens_per_second": round(speed, 1)}
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._context.progress.update(done=self.step, figures=finite)
        if self._curves is not None:
            with self._curves.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self.step, **finite}) + "\n")


@torch.no_grad()
def mean_loss(
    objective: Objective[E],
    batches: Sequence[MicroBatch[E]],
    engine: Engine,
    on_batch: Callable[[], None] = lambda: None,
) -> float:
    """Return the mean loss per term over all examples of the batches of all ranks.

    `on_batch` is called before each batch and may raise to leave.
    """
    engine.set_training(False)  # as nn.Module.train
    total, weight = 0.0, 0
    for batch in batches:
        on_batch()
        with naming_a_batch_that_fits(batch), engine.precision():
            loss = objective.loss_sum(batch, engine.device).item()
        if not batch.is_filler:
            total += loss
            weight += total_weight(batch.examples)
    total, weights = engine.ranks.sum_of(total, weight)
    return total / max(1, weights)
