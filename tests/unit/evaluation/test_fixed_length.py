import numpy as np
import pytest

from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.fixed_length import slope_at_fixed_length, spearman_at_fixed_length
from steerlm_jobs.evaluation.intervals import SweepValues, slope, spearman

NOTHING = MetricValue(value=None)


def a_sweep(measured):
    return SweepValues(np.arange(len(measured), dtype=float), np.asarray(measured, dtype=float))


def drawn(seed=0, num_prompts=60):
    """Return answers that are longer at higher levels, and scores that follow length alone."""
    generator = np.random.default_rng(seed)
    words = 10 * np.arange(5)[:, None] + generator.normal(scale=8, size=(5, num_prompts))
    return words, 0.1 * words + generator.normal(scale=0.3, size=words.shape)


def ranks(numbers):
    return np.array([(numbers < x).sum() + ((numbers == x).sum() + 1) / 2 for x in numbers])


def test_a_judge_of_length_sees_steering_that_is_gone_at_fixed_length():
    words, scores = drawn()
    sweep = a_sweep(scores)
    assert spearman(sweep, 0).lower > 0.8
    held = spearman_at_fixed_length(sweep, words, 0)
    assert held.lower < 0.05
    assert held.value < 0.2
    assert slope(sweep, 0).lower > 0.8
    assert abs(slope_at_fixed_length(sweep, words, 0).value) < 0.1


def test_the_partial_rank_correlation_is_that_of_what_ranks_of_words_leave_unexplained():
    words, scores = drawn(1)
    scores += np.arange(5)[:, None] * 0.4
    x, y, z = ranks(np.repeat(np.arange(5.0), 60)), ranks(scores.ravel()), ranks(words.ravel())
    rest = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    found = spearman_at_fixed_length(a_sweep(scores), words, 0)
    assert found.value == pytest.approx(np.corrcoef(*rest)[0, 1], abs=1e-6)


def test_the_slope_is_the_levels_coefficient_beside_the_words():
    words, scores = drawn(2)
    scores += np.arange(5)[:, None] * 0.4
    levels = np.repeat(np.arange(5.0), 60)
    columns = np.column_stack([levels, words.ravel(), np.ones(300)])
    expected = np.linalg.lstsq(columns, scores.ravel(), rcond=None)[0][0]
    found = slope_at_fixed_length(a_sweep(scores), words, 0)
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.lower < expected < found.upper


def test_answers_of_one_length_have_the_plain_figures():
    scores = np.arange(4)[:, None] + np.random.default_rng(5).normal(size=(4, 20))
    words = np.full((4, 20), 7.0)
    sweep = a_sweep(scores)
    assert spearman_at_fixed_length(sweep, words, 3) == spearman(sweep, 3)
    assert slope_at_fixed_length(sweep, words, 3).value == pytest.approx(slope(sweep, 3).value)


def test_what_length_explains_altogether_has_no_figure():
    levels = np.broadcast_to(np.arange(5.0)[:, None], (5, 8))
    scores = np.random.default_rng(6).normal(size=(5, 8))
    assert (
        spearman_at_fixed_length(a_sweep(scores), levels * 3, 0) == NOTHING
    )  # length is the level
    assert slope_at_fixed_length(a_sweep(scores), levels * 3, 0) == NOTHING
    words, _ = drawn(7, num_prompts=8)
    assert spearman_at_fixed_length(a_sweep(words), words, 0) == NOTHING  # the meter is the length


def test_without_any_answer_there_is_no_figure():
    nothing = np.full((3, 4), np.nan)
    assert spearman_at_fixed_length(a_sweep(nothing), nothing, 0) == NOTHING
    assert slope_at_fixed_length(a_sweep(nothing), nothing, 0) == NOTHING
