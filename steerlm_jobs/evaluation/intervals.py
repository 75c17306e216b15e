"""Spearman's rho, slope and mean of measured levels, with bootstrap intervals over prompts.

The pairs are (requested level, measured value); the same prompts answer at every level, so a
resample draws *prompts*, each with all of its values. A resample is a row of weights (how often
each prompt was drawn), so all are computed at once, without sorting any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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

    @property
    def num_prompts(self) -> int:
        """P."""
        return int(self.measured.shape[1])


Statistic = Callable[[SweepValues, Floats], Floats]
"""[R], a figure of a sweep under each row of prompt weights [R, P]; NaN where it has none."""


def spearman(values: SweepValues, seed: int) -> MetricValue:
    """Return Spearman's rho over all pairs, ties at their mean rank."""
    return _of_sweep(rho, values, seed, is_of_steering=True)


def slope(values: SweepValues, seed: int) -> MetricValue:
    """Return the least-squares slope: measured levels per requested level."""
    return _of_sweep(least_squares_slope, values, seed, is_of_steering=True)


def level_mean(values: SweepValues, level_index: int, seed: int) -> MetricValue:
    """Return the mean at one level."""
    one = SweepValues(values.levels[[level_index]], values.measured[[level_index]])
    return _of_sweep(weighted_mean, one, seed)


def steered(statistic: Statistic) -> Statistic:
    """Return a figure of steering that is 0, not absent, where all answers measure the same.

    For comparisons: a model that never jokes is not steered, and that is what it is compared by.
    """

    def figure(values: SweepValues, weights_RP: Floats) -> Floats:
        found = statistic(values, weights_RP)
        return np.nan_to_num(found) if np.isfinite(values.measured).any() else found

    return figure


def difference(
    statistic: Statistic, values: SweepValues, others: SweepValues, seed: int
) -> MetricValue:
    """Return how far a figure of `values` is above that of `others`, measured on the same prompts.

    Paired: each resample draws the same prompts for both.
    """
    return with_interval(
        lambda weights_RP: statistic(values, weights_RP) - statistic(others, weights_RP),
        values.num_prompts,
        seed,
    )


def with_interval(
    statistic: Callable[[Floats], Floats],
    num_prompts: int,
    seed: int,
    *,
    is_of_steering: bool = False,
) -> MetricValue:
    """Return a figure on all prompts with its 95 % bootstrap interval.

    Args:
        statistic: From prompt weights [R, P] to a figure of each resample [R].
        num_prompts: P.
        seed: Of the resamples; equal seeds draw equal prompts.
        is_of_steering: True: a resample without spread shows no steering and counts as 0. To leave
            it out would keep those that happen to hold the few prompts with a hit.
    """
    if num_prompts == 0:
        return MetricValue(value=None)
    point = statistic(np.ones((1, num_prompts)))[0]
    if not np.isfinite(point):
        return MetricValue(value=None)
    resampled = statistic(resample_weights(num_prompts, NUM_RESAMPLES, seed))
    if is_of_steering:
        resampled = np.nan_to_num(resampled)
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < _MIN_FINITE_FRACTION * NUM_RESAMPLES:
        return MetricValue(value=_rounded(point))
    lower, upper = np.quantile(finite, _TAILS)
    return MetricValue(value=_rounded(point), lower=_rounded(lower), upper=_rounded(upper))


@cache
def resample_weights(num_prompts: int, num_resamples: int, seed: int) -> Floats:
    """Return [R, P]: how often each resample of the prompts holds each of them."""
    generator = np.random.default_rng(seed)
    fair = np.full(num_prompts, 1.0 / num_prompts)
    weights = generator.multinomial(num_prompts, fair, size=num_resamples).astype(np.float64)
    weights.flags.writeable = False  # shared by all callers
    return weights


def rho(values: SweepValues, weights: Floats) -> Floats:
    """Return [R], the rho of each row of prompt weights [R, P]; NaN without any spread.

    The mean of mid-ranks of n pairs is (n + 1) / 2, ties or not: both ranks are centred by it.
    """
    known = np.isfinite(values.measured)
    distinct, codes = np.unique(np.where(known, values.measured, 0.0), return_inverse=True)
    codes = codes.reshape(known.shape)
    per_level = weights @ known.T.astype(np.float64)  # [R, L], pairs at each level
    per_value = weights @ _occurrences(codes, known, len(distinct))  # [R, K]
    centre = (per_level.sum(1, keepdims=True) + 1) / 2
    level_ranks = mid_ranks(per_level) - centre
    value_ranks = mid_ranks(per_value) - centre
    covariance = np.zeros(len(weights))
    for level, (row, row_known) in enumerate(zip(codes, known, strict=True)):
        of_level = (weights * row_known * value_ranks[:, row]).sum(1)
        covariance += level_ranks[:, level] * of_level
    level_variance = (per_level * level_ranks**2).sum(1)
    value_variance = (per_value * value_ranks**2).sum(1)
    return quotient(covariance, np.sqrt(level_variance * value_variance))


def mid_ranks(counts: Floats) -> Floats:
    """Return the mean rank of each of several ordered values, given how often each occurs."""
    mid: Floats = np.cumsum(counts, axis=1) - counts / 2 + 0.5
    return mid


def least_squares_slope(values: SweepValues, weights: Floats) -> Floats:
    """Return [R], the slope of each row of prompt weights [R, P]."""
    known = np.isfinite(values.measured)
    levels = values.levels - values.levels.mean()  # centred: squares stay small
    measured = np.where(known, values.measured, 0.0)
    number = weights @ known.sum(0)
    of_levels = weights @ (levels @ known)
    of_squares = weights @ (levels**2 @ known)
    covariance = weights @ (levels @ measured) - quotient(
        of_levels * (weights @ measured.sum(0)), number
    )
    return quotient(covariance, of_squares - quotient(of_levels**2, number))


def weighted_mean(values: SweepValues, weights: Floats) -> Floats:
    """Return [R], the mean over all pairs of each row of prompt weights [R, P]."""
    known = np.isfinite(values.measured)
    total = weights @ np.where(known, values.measured, 0.0).sum(0)
    return quotient(total, weights @ known.sum(0))


def quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is (nearly) zero."""
    is_spread = denominator > 1e-12
    result: Floats = np.where(is_spread, numerator / np.where(is_spread, denominator, 1.0), np.nan)
    return result


def _of_sweep(
    statistic: Statistic, values: SweepValues, seed: int, *, is_of_steering: bool = False
) -> MetricValue:
    return with_interval(
        lambda weights_RP: statistic(values, weights_RP),
        values.num_prompts,
        seed,
        is_of_steering=is_of_steering,
    )


def _rounded(value: float) -> float:
    """Return a millionth's precision: the rest depends on how many threads added up."""
    return round(float(value), 6)


def _occurrences(codes: NDArray[np.intp], known: NDArray[np.bool_], num_codes: int) -> Floats:
    """Return [P, K]: at how many levels each prompt has each distinct value."""
    found = np.zeros((codes.shape[1], num_codes))
    prompts = np.broadcast_to(np.arange(codes.shape[1]), codes.shape)
    np.add.at(found, (prompts[known], codes[known]), 1.0)
    return found
