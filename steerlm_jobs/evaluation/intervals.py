"""Spearman's rho, slope and mean of measured levels, with bootstrap intervals over prompts.

The pairs are (requested level, measured value); the same prompts answer at every level, so a
resample draws *prompts*, each with all of its values. A resample is a row of weights (how often
each prompt was drawn), so all are computed at once, without sorting any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from steerlm_jobs.contract.gates import MetricValue

Floats = NDArray[np.float64]

NUM_RESAMPLES: Final = 1000
_TAILS: Final = (0.025, 0.975)
_MIN_FINITE_FRACTION: Final = 0.5
"""With fewer resamples that have a value, an interval would flatter."""


@dataclass(frozen=True, slots=True)
class SweepValues:
    """What was measured in one sweep."""

    levels: Floats
    """[L], the requested levels, rising."""
    measured: Floats
    """[L, P], one column per prompt; NaN where nothing was measured."""


def spearman(values: SweepValues, seed: int) -> MetricValue:
    """Return Spearman's rho over all pairs, ties at their mean rank."""
    return _with_interval(_spearman, values, seed)


def slope(values: SweepValues, seed: int) -> MetricValue:
    """Return the least-squares slope: measured levels per requested level."""
    return _with_interval(_slope, values, seed)


def level_mean(values: SweepValues, level_index: int, seed: int) -> MetricValue:
    """Return the mean at one level."""
    one = SweepValues(values.levels[[level_index]], values.measured[[level_index]])
    return _with_interval(_mean, one, seed)


def resample_weights(num_prompts: int, num_resamples: int, seed: int) -> Floats:
    """Return [R, P]: how often each resample of the prompts holds each of them."""
    generator = np.random.default_rng(seed)
    fair = np.full(num_prompts, 1.0 / num_prompts)
    return generator.multinomial(num_prompts, fair, size=num_resamples).astype(np.float64)


def _with_interval(
    statistic: Callable[[SweepValues, Floats], Floats], values: SweepValues, seed: int
) -> MetricValue:
    num_prompts = values.measured.shape[1]
    if num_prompts == 0:
        return MetricValue(value=None)
    point = statistic(values, np.ones((1, num_prompts)))[0]
    if not np.isfinite(point):
        return MetricValue(value=None)
    resampled = statistic(values, resample_weights(num_prompts, NUM_RESAMPLES, seed))
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < _MIN_FINITE_FRACTION * NUM_RESAMPLES:
        return MetricValue(value=float(point))
    lower, upper = np.quantile(finite, _TAILS)
    return MetricValue(value=float(point), lower=float(lower), upper=float(upper))


def _spearman(values: SweepValues, weights: Floats) -> Floats:
    """Return [R], the rho of each row of prompt weights [R, P]; NaN without any spread."""
    known = np.isfinite(values.measured)
    per_level = weights @ known.T.astype(np.float64)  # [R, L] pairs at each level
    level_ranks = np.repeat(_mid_ranks(per_level)[:, :, None], known.shape[1], axis=2)
    distinct, codes = np.unique(np.where(known, values.measured, 0.0), return_inverse=True)
    codes = codes.reshape(known.shape)
    value_ranks = np.empty_like(level_ranks)
    per_value = np.zeros((len(weights), len(distinct)))
    for row, row_known in zip(codes, known, strict=True):
        for_prompts = np.zeros((known.shape[1], len(distinct)))
        for_prompts[np.arange(known.shape[1]), row] = row_known
        per_value += weights @ for_prompts
    ranks = _mid_ranks(per_value)
    for index, row in enumerate(codes):
        value_ranks[:, index, :] = ranks[:, row]
    pair_weights = weights[:, None, :] * known[None]
    return _correlation(level_ranks, value_ranks, pair_weights)


def _mid_ranks(counts: Floats) -> Floats:
    """Return the mean rank of each of several ordered values, given how often each occurs."""
    mid: Floats = np.cumsum(counts, axis=1) - counts / 2 + 0.5
    return mid


def _slope(values: SweepValues, weights: Floats) -> Floats:
    known = np.isfinite(values.measured)
    pair_weights = weights[:, None, :] * known[None]
    levels = np.broadcast_to(values.levels[None, :, None], pair_weights.shape)
    measured = np.broadcast_to(np.where(known, values.measured, 0.0)[None], pair_weights.shape)
    covariance, variance, _ = _moments(levels, measured, pair_weights)
    return _quotient(covariance, variance)


def _mean(values: SweepValues, weights: Floats) -> Floats:
    known = np.isfinite(values.measured)
    total = (weights[:, None, :] * np.where(known, values.measured, 0.0)[None]).sum((1, 2))
    return _quotient(total, (weights[:, None, :] * known[None]).sum((1, 2)))


def _correlation(first: Floats, second: Floats, pair_weights: Floats) -> Floats:
    covariance, first_variance, second_variance = _moments(first, second, pair_weights)
    return _quotient(covariance, np.sqrt(first_variance * second_variance))


def _moments(first: Floats, second: Floats, pair_weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return weighted covariance and both variances, each [R], over the pairs [R, L, P]."""
    total = pair_weights.sum((1, 2), keepdims=True)
    first = first - _quotient((pair_weights * first).sum((1, 2), keepdims=True), total)
    second = second - _quotient((pair_weights * second).sum((1, 2), keepdims=True), total)
    return (
        (pair_weights * first * second).sum((1, 2)),
        (pair_weights * first**2).sum((1, 2)),
        (pair_weights * second**2).sum((1, 2)),
    )


def _quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is (nearly) zero."""
    is_spread = denominator > 1e-12
    result: Floats = np.where(is_spread, numerator / np.where(is_spread, denominator, 1.0), np.nan)
    return result
