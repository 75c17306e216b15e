"""Steering at fixed length: what is left of rho and slope once the length of answers is held.

A longer answer scores higher with most judges, so a model that only writes more seems to be
steered. Rho at fixed length is the partial rank correlation of requested level and measured value,
given the number of words: it correlates what ranks of words (linearly) do not explain. The slope is
the coefficient of the level in a regression on level and words. Where all answers have the same
length, both are the plain figures; where the level fixes the length altogether, neither exists;
where the measured value is the length, rho does not, and the slope is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.intervals import Floats, SweepValues, mid_ranks, with_interval

_MIN_UNEXPLAINED = 1e-9
"""Less variance than this beside the words is rounding."""


def spearman_at_fixed_length(values: SweepValues, words: Floats, seed: int) -> MetricValue:
    """Return the partial rank correlation given words [L, P]."""
    pairs = _pairs(values, words)

    def statistic(weights_RP: Floats) -> Floats:
        ranked = [_centred_ranks(v, pairs.prompts, weights_RP) for v in pairs.variables]
        known = _correlations(ranked, weights_RP[:, pairs.prompts])
        unexplained = (1 - known.level_words**2) * (1 - known.value_words**2)
        return _kept(known.partial, np.sqrt(unexplained.clip(0)), unexplained)

    return with_interval(statistic, values.num_prompts, seed, is_of_steering=True)


def slope_at_fixed_length(values: SweepValues, words: Floats, seed: int) -> MetricValue:
    """Return measured levels per requested level, given words [L, P]."""
    pairs = _pairs(values, words)

    def statistic(weights_RP: Floats) -> Floats:
        weights_RN = weights_RP[:, pairs.prompts]
        centred = [_centred(v, weights_RN) for v in pairs.variables]
        known = _correlations(centred, weights_RN)
        unexplained = 1 - known.level_words**2
        return _kept(known.partial, unexplained, unexplained) * known.spread_ratio

    return with_interval(statistic, values.num_prompts, seed, is_of_steering=True)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """All N pairs with a value, in a row."""

    levels: Floats
    values: Floats
    words: Floats
    prompts: NDArray[np.intp]

    @property
    def variables(self) -> tuple[Floats, Floats, Floats]:
        """Levels, values, words."""
        return self.levels, self.values, self.words


@dataclass(frozen=True, slots=True)
class _Correlations:
    """[R], of each resample."""

    level_value: Floats
    level_words: Floats
    value_words: Floats
    spread_ratio: Floats
    """Standard deviation of the values / that of the levels."""

    @property
    def partial(self) -> Floats:
        """What both the partial correlation and the slope have above the line."""
        return self.level_value - self.level_words * self.value_words


def _pairs(values: SweepValues, words: Floats) -> _Pairs:
    known = np.isfinite(values.measured) & np.isfinite(words)
    levels, prompts = np.nonzero(known)
    return _Pairs(values.levels[levels], values.measured[known], words[known], prompts)


def _centred_ranks(values_N: Floats, prompts_N: NDArray[np.intp], weights_RP: Floats) -> Floats:
    """Return [R, N], mid-ranks under each resample, minus their mean."""
    distinct, codes_N = np.unique(values_N, return_inverse=True)
    occurrences_PK = np.zeros((weights_RP.shape[1], len(distinct)))
    np.add.at(occurrences_PK, (prompts_N, codes_N), 1.0)
    per_value_RK = weights_RP @ occurrences_PK
    centre_R1 = (per_value_RK.sum(1, keepdims=True) + 1) / 2
    ranks_RN: Floats = (mid_ranks(per_value_RK) - centre_R1)[:, codes_N]
    return ranks_RN


def _centred(values_N: Floats, weights_RN: Floats) -> Floats:
    """Return [R, N], the values minus their mean in each resample."""
    number = np.maximum(weights_RN.sum(1, keepdims=True), 1.0)
    centred_RN: Floats = values_N - (weights_RN @ values_N)[:, None] / number
    return centred_RN


def _correlations(variables_RN: Sequence[Floats], weights_RN: Floats) -> _Correlations:
    """Return the correlations of centred levels, values and words."""
    levels_RN, values_RN, words_RN = variables_RN
    level, value, length = [(weights_RN * v * v).sum(1) for v in variables_RN]

    def correlation(a: Floats, b: Floats, variances: Floats) -> Floats:
        spread = np.sqrt(variances)
        return _kept((weights_RN * a * b).sum(1), spread, spread)

    # Words that are all alike explain nothing: their correlations count as 0
    return _Correlations(
        level_value=correlation(levels_RN, values_RN, level * value),
        level_words=np.nan_to_num(correlation(levels_RN, words_RN, level * length)),
        value_words=np.nan_to_num(correlation(values_RN, words_RN, value * length)),
        spread_ratio=np.sqrt(_kept(value, level, level)),
    )


def _kept(numerator: Floats, denominator: Floats, measure: Floats) -> Floats:
    """Divide; NaN where `measure` says that there is nothing but rounding."""
    is_spread = measure > _MIN_UNEXPLAINED
    result: Floats = np.where(is_spread, numerator / np.where(is_spread, denominator, 1.0), np.nan)
    return result
