import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steerlm_jobs.contract.errors import DivergedError, InterruptedStageError, OutOfMemoryError
from steerlm_jobs.train.batches import micro_batches
from steerlm_jobs.train.engine import ParameterGroup, PlainEngine
from steerlm_jobs.train.loop import mean_loss, train
from steerlm_jobs.train.memory import smaller_batch
from steerlm_jobs.train.objectives import AcsftObjective
from tests.unit.train.builders import (
    a_context,
    a_layout,
    a_task,
    a_training,
    an_engine,
    an_objective,
)

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

TRAINING = a_training()
CURVE = Path(__file__).parents[2] / "golden" / "train" / "loss_curve.json"


def trained(folder, *, stop_at=None, training=TRAINING, execution=None, **task):
    """Train in a new process's state, ending at a step if told to; return (engine, history)."""
    objective = task.pop("objective", None) or an_objective()
    engine = an_engine(objective, training)
    context = a_context(folder, **(execution or {}))
    made = a_task(StoppingObjective(objective, context.stop, stop_at), training, **task)
    return engine, train(made, engine, context)


class StoppingObjective(AcsftObjective):
    """Asks for a stop while it computes its n-th loss."""

    def __init__(self, objective, stop, at):
        super().__init__(objective.module)
        self._inner, self._stop, self._left = objective, stop, at

    def loss_sum(self, batch, device):
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._stop.set()
        return self._inner.loss_sum(batch, device)


class BadObjective(AcsftObjective):
    """Gives a loss that is not finite in some calls."""

    def __init__(self, objective, bad):
        super().__init__(objective.module)
        self._bad, self._calls = bad, 0

    def loss_sum(self, batch, device):
        self._calls += 1
        loss = super().loss_sum(batch, device)
        return loss * math.nan if self._calls in self._bad else loss


def test_training_lowers_the_loss(tmp_path):
    _engine, history = trained(tmp_path, training=a_training(epochs=6))
    assert history.losses[-1] < 0.5 * history.losses[0]


def test_equal_configs_give_equal_curves(tmp_path):
    first = trained(tmp_path / "a")[1]
    assert trained(tmp_path / "b")[1] == first
    assert first.step == 10
    assert [step for step, _loss in first.validation] == [3, 6, 9, 10]


@pytest.mark.parametrize("execution", [{}, {"checkpoint_every_steps": 1}])
def test_a_resumed_training_equals_one_that_was_never_interrupted(tmp_path, execution):
    engine, history = trained(tmp_path / "whole")
    for stop_at in (3, 4):
        with pytest.raises(InterruptedStageError):
            trained(tmp_path / "cut", stop_at=stop_at, execution=execution)
    resumed_engine, resumed = trained(tmp_path / "cut", execution={**execution, "attempt": 2})
    assert resumed == history
    for name, value in engine.weights().items():
        assert torch.equal(resumed_engine.weights()[name], value), name


def test_the_best_weights_are_left_in_the_engine(tmp_path):
    engine, history = trained(tmp_path, training=a_training(learning_rate=0.3, epochs=3))
    best = min(loss for _step, loss in history.validation)
    assert dict(history.validation)[history.best_step] == best
    assert history.best_step < history.step
    objective = an_objective()
    fresh = an_engine(objective, TRAINING)
    fresh.load_weights(engine.weights())
    task = a_task(objective, TRAINING)
    batches = micro_batches(task.validation, task.layout)
    assert mean_loss(objective, batches, fresh) == pytest.approx(best)


@pytest.mark.parametrize("stop_at", [None, 2, 3])
def test_the_weights_of_the_best_quality_are_kept_also_by_a_run_stopped_while_it_is_measured(
    tmp_path, stop_at
):
    """Stopped within the measurement, the next attempt makes that validation anew."""
    qualities, calls, weights = {3: 0.5, 6: 2.0, 9: 2.0, 10: 1.0}, [], {}
    context = a_context(tmp_path)

    def attempt(context):
        objective = an_objective()
        engine = an_engine(objective, TRAINING)

        def quality(tick):
            state = engine.optimizer_state()
            step = round(next(v.item() for name, v in state.items() if name.endswith("/step")))
            calls.append(step)
            if len(calls) == stop_at:
                context.stop.set()
            tick()
            weights[step] = engine.weights()
            return qualities[step]

        task = a_task(objective, TRAINING, quality=quality)
        return engine, train(task, engine, context)

    if stop_at is not None:
        with pytest.raises(InterruptedStageError):
            attempt(context)
        context = a_context(tmp_path, attempt=2)
    engine, history = attempt(context)
    assert history.quality == list(qualities.items())
    assert history.best_step == 6
    for name, value in engine.weights().items():
        assert torch.equal(value, weights[6][name])


def test_two_bad_steps_are_skipped_and_counted(tmp_path):
    bad = BadObjective(an_objective(), bad={1, 2})
    one_batch = a_layout(micro_batch_tokens=10_000)
    _engine, history = trained(tmp_path, objective=bad, layout=one_batch)
    assert history.skipped_steps == (1, 2)
    assert history.losses[:2] == [None, None]
    assert all(map(math.isfinite, history.losses[2:]))


def test_three_bad_steps_in_a_row_end_the_stage(tmp_path):
    bad = BadObjective(an_objective(), bad={1, 2, 3})
    one_batch = a_layout(micro_batch_tokens=10_000)
    with pytest.raises(DivergedError, match=r"not finite in steps 1 to 3.*learningRate"):
        trained(tmp_path, objective=bad, layout=one_batch)


def test_the_gradient_norm_does_not_depend_on_the_accumulation(tmp_path):
    whole = trained(tmp_path / "a", layout=a_layout(micro_batch_tokens=10_000))[1]
    parts = trained(tmp_path / "b", layout=a_layout(micro_batch_tokens=1))[1]
    padded = trained(tmp_path / "c", layout=a_layout(is_packed=False))[1]
    for other in (parts, padded):
        assert other.losses == pytest.approx(whole.losses, rel=1e-4)
        assert other.gradient_norms == pytest.approx(whole.gradient_norms, rel=1e-3)


def test_bf16_follows_the_fp32_curve_for_fifty_steps(tmp_path):
    slow = {"learning_rate": 1e-3, "epochs": 10}
    exact = trained(tmp_path / "a", training=a_training(**slow))[1]
    engine, history = trained(tmp_path / "b", training=a_training(**slow, precision="Bf16"))
    assert history.step == 50
    assert history.losses[-1] < 0.9 * history.losses[0]
    assert history.losses == pytest.approx(exact.losses, rel=1e-2)
    assert {w.dtype for w in engine.weights().values()} == {torch.float32}


def test_the_loss_curve_is_pinned(tmp_path):
    """It changes only with a reason in the change text. Not to the last digit: machines differ."""
    golden = json.loads(CURVE.read_text())
    history = trained(tmp_path)[1]
    assert history.losses == pytest.approx(golden["loss"], rel=1e-3)
    validation = [loss for _step, loss in history.validation]
    assert validation == pytest.approx(golden["validation"], rel=1e-3)


class SmallEngine(PlainEngine):
    """A device that cannot hold what a backward pass needs."""

    def backward(self, loss, *, is_last):
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")


def test_a_device_without_memory_names_half_of_the_micro_batch_that_failed(tmp_path):
    objective = an_objective()
    parameters = dict(objective.module.named_parameters())
    engine = SmallEngine(objective.module, [ParameterGroup(parameters, 1e-2)], TRAINING)
    task = a_task(objective, TRAINING)
    first = micro_batches([task.examples[i] for i in task.steps[0]], task.layout)[0]
    num_tokens = first.ids_BT.numel()
    with pytest.raises(OutOfMemoryError) as caught:
        train(task, engine, a_context(tmp_path))
    assert str(caught.value) == (
        f"the device ran out of memory at a micro-batch of {num_tokens} tokens; set "
        f"training.microBatchTokens to {num_tokens // 2} (Tried to allocate 2.00 GiB)"
    )
    assert caught.value.exit_code == 13
    halved = replace(task.layout, micro_batch_tokens=num_tokens // 2)
    batches = micro_batches(task.examples, halved)
    assert max(batch.ids_BT.numel() for batch in batches) <= num_tokens // 2


def test_where_one_conversation_is_too_long_no_smaller_batch_is_promised():
    assert smaller_batch(3000, 6000) == "set training.microBatchTokens to 3000"
    assert smaller_batch(3000, 4096).startswith(
        "a single conversation has 3000: set training.maxLengthTokens below that"
    )


def test_weight_decay_shrinks_matrices_by_rate_times_decay_and_leaves_biases():
    module = torch.nn.Linear(3, 2)
    training = a_training(learning_rate=0.5, weight_decay=0.1)
    parameters = dict(module.named_parameters())
    engine = PlainEngine(module, [ParameterGroup(parameters, 0.5)], training)
    weight, bias = module.weight.detach().clone(), module.bias.detach().clone()
    engine.backward(0 * (module.weight.sum() + module.bias.sum()), is_last=True)
    engine.update(0.5)
    torch.testing.assert_close(module.weight, weight * (1 - 0.5 * 0.5 * 0.1))
    assert torch.equal(module.bias, bias)
