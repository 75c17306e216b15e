import numpy as np
import pytest

from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.intervals import (
    SweepValues,
    difference,
    least_squares_slope,
    level_mean,
    resample_weights,
    rho,
    slope,
    spearman,
    steered,
)


def values(levels, measured):
    return SweepValues(np.array(levels, dtype=float), np.array(measured, dtype=float))


def ranks(numbers):
    """Mean ranks by counting, the definition."""
    numbers = np.asarray(numbers)
    return np.array([(numbers < x).sum() + ((numbers == x).sum() + 1) / 2 for x in numbers])


def slow_spearman(sweep, drawn_prompts):
    pairs = [
        (level, row[p])
        for level, row in zip(sweep.levels, sweep.measured, strict=True)
        for p in drawn_prompts
        if np.isfinite(row[p])
    ]
    levels, measured = np.array(pairs).T
    return np.corrcoef(ranks(levels), ranks(measured))[0, 1]


def test_rho_of_a_hand_worked_example_with_ties():
    # pairs (0,1) (0,2) (1,2) (1,3): ranks x 1.5 1.5 3.5 3.5, ranks y 1 2.5 2.5 4
    # covariance 4.5 - ... = sum((x-2.5)(y-2.5)) = 1.5+0+0+1.5 = 3; sums of squares 4 and 4.5
    found = spearman(values([0, 1], [[1, 2], [2, 3]]), seed=0)
    assert found.value == pytest.approx(3 / np.sqrt(4 * 4.5))


def test_perfect_steering_has_rho_and_slope_one_in_every_resample():
    sweep = values([0, 1, 2, 3, 4], np.repeat([[0], [1], [2], [3], [4]], 20, axis=1))
    for metric in (spearman(sweep, 1), slope(sweep, 1)):
        assert (metric.value, metric.lower, metric.upper) == pytest.approx((1.0, 1.0, 1.0))


def test_every_resample_is_the_rho_of_its_drawn_prompts():
    generator = np.random.default_rng(3)
    measured = generator.integers(0, 4, (4, 9)).astype(float)
    measured[1, 2] = measured[3, 7] = np.nan
    sweep = values([0, 1, 2, 4], measured)
    weights = resample_weights(9, 25, seed=5)
    fast = rho(sweep, weights)
    slow = [slow_spearman(sweep, np.repeat(np.arange(9), row.astype(int))) for row in weights]
    assert fast == pytest.approx(np.array(slow))


def test_slope_is_numpys_least_squares():
    generator = np.random.default_rng(4)
    measured = generator.normal(size=(5, 30)) + np.arange(5)[:, None] * 0.7
    found = slope(values(range(5), measured), seed=0)
    expected = np.polyfit(np.repeat(np.arange(5), 30), measured.ravel(), 1)[0]
    assert found.value == pytest.approx(expected)
    assert found.lower < expected < found.upper


def test_an_answerless_or_constant_sweep_has_no_value():
    nothing = MetricValue(value=None)
    assert spearman(values([0, 1], np.full((2, 5), np.nan)), 0) == nothing
    assert spearman(values([0, 1], np.ones((2, 5))), 0) == nothing
    assert slope(values([0, 1], np.empty((2, 0))), 0) == nothing


def test_missing_values_are_left_out_not_counted_as_zero():
    found = level_mean(values([0, 1], [[np.nan, 2, 4], [9, 9, 9]]), 0, seed=0)
    assert found.value == 3.0


def test_equal_seeds_give_equal_intervals():
    sweep = values([0, 1, 2], np.random.default_rng(0).normal(size=(3, 40)))
    assert spearman(sweep, 7) == spearman(sweep, 7)
    assert spearman(sweep, 7) != spearman(sweep, 8)


def test_the_interval_covers_zero_for_noise_and_not_for_steering():
    generator = np.random.default_rng(11)
    noise = generator.normal(size=(5, 60))
    assert (
        spearman(values(range(5), noise), 0).lower < 0 < spearman(values(range(5), noise), 0).upper
    )
    steered = noise * 0.3 + np.arange(5)[:, None]
    assert spearman(values(range(5), steered), 0).lower > 0.9


def test_a_difference_is_paired_so_what_two_models_share_cancels_out():
    generator = np.random.default_rng(2)
    hard = generator.normal(scale=9.0, size=40)  # some prompts score higher with every model
    steered = hard + 0.5 * np.arange(5)[:, None]
    same = values(range(5), np.broadcast_to(hard, (5, 40)))
    found = difference(least_squares_slope, values(range(5), steered), same, seed=0)
    assert (found.value, found.lower, found.upper) == pytest.approx((0.5, 0.5, 0.5))


def test_one_prompt_with_a_hit_shows_no_steering():
    """Resamples without that prompt have no spread: they count as not steered, not as absent."""
    measured = np.zeros((5, 50))
    measured[:, 0] = [0, 0, 1, 1, 2]
    values = SweepValues(np.arange(5.0), measured)
    for metric in (spearman(values, 1), slope(values, 1)):
        assert metric.lower == 0.0
        assert metric.value > 0


def test_a_model_is_better_than_one_whose_answers_never_change():
    steered_one = SweepValues(np.arange(5.0), np.tile(np.arange(5.0)[:, None], (1, 20)))
    constant = SweepValues(np.arange(5.0), np.zeros((5, 20)))
    found = difference(steered(rho), steered_one, constant, 1)
    assert (found.value, found.lower) == (1.0, 1.0)


def test_nothing_is_compared_with_a_model_that_was_not_measured():
    measured = SweepValues(np.arange(5.0), np.tile(np.arange(5.0)[:, None], (1, 20)))
    unknown = SweepValues(np.arange(5.0), np.full((5, 20), np.nan))
    assert difference(steered(rho), measured, unknown, 1).value is None
