import math

import pytest

from steerlm_jobs.train.schedule import learning_rate_factor, warmup_steps
from steerlm_jobs.train.step_plan import effective_epochs, evaluation_interval, step_plan
from tests.unit.train.builders import a_training


def steps_of(n, training, **kwargs):
    return step_plan([10] * n, ["s"] * n, training, seed=1, **kwargs)


def test_a_step_is_exactly_the_global_batch_and_the_last_of_an_epoch_keeps_the_rest():
    steps = steps_of(20, a_training(epochs=2, global_batch_size=8))
    assert [len(step) for step in steps] == [8, 8, 4, 8, 8, 4]
    for epoch in (steps[:3], steps[3:]):
        assert sorted(i for step in epoch for i in step) == list(range(20))
    assert steps[:3] != steps[3:]


def test_the_token_budget_ends_training_before_the_step_that_would_pass_it():
    training = a_training(global_batch_size=8, max_tokens=170)
    assert [len(step) for step in steps_of(20, training)] == [8, 8]
    assert steps_of(20, a_training(global_batch_size=8, max_tokens=79)) == ()


def test_a_source_is_seen_as_often_as_its_weight():
    sources = ["a"] * 40 + ["b"] * 40
    steps = step_plan(
        [1] * 80, sources, a_training(epochs=10), seed=1, weights={"a": 2.0, "b": 0.5}
    )
    seen = effective_epochs(steps, sources)
    assert seen["a"] == 20
    assert seen["b"] == pytest.approx(5, abs=1)


def test_a_source_of_weight_zero_is_not_seen():
    steps = step_plan([1] * 4, ["a", "a", "b", "b"], a_training(), seed=1, weights={"b": 0.0})
    assert {i for step in steps for i in step} == {0, 1}


def test_validation_comes_ten_times_an_epoch_unless_the_spec_says_otherwise():
    steps = steps_of(800, a_training(epochs=2, global_batch_size=8))
    assert evaluation_interval(a_training(epochs=2), steps) == 10
    assert evaluation_interval(a_training(epochs=2, evaluation_every_steps=3), steps) == 3


def test_the_learning_rate_warms_up_and_falls_to_a_tenth():
    training = a_training(warmup_steps=4)
    factors = [learning_rate_factor(training, step, 100) for step in range(100)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert math.isclose(learning_rate_factor(training, 52, 100), 0.55, abs_tol=1e-9)
    assert factors[-1] == pytest.approx(0.1, abs=1e-3)


def test_a_constant_schedule_stays():
    training = a_training(warmup_steps=1, schedule="Constant")
    assert [learning_rate_factor(training, s, 9) for s in (1, 5, 8)] == [1.0, 1.0, 1.0]


def test_lora_warms_up_for_at_most_a_twentieth():
    assert warmup_steps(a_training(method="Lora", warmup_steps=10), 100) == 5
    assert warmup_steps(a_training(method="Lora", warmup_steps=10), 1000) == 10
    assert warmup_steps(a_training(warmup_steps=10), 4) == 4
