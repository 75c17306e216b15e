"""How well an APM predicts held-out human labels, beside always saying the training mean. Pure."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from steerlm_jobs.attributes.labels import from_unit, quantise
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.gates import MetricValue

_Z95 = 1.959963984540054


def attribute_figures(
    scores: Sequence[float], labels: Sequence[float], training_mean: float, attribute: Attribute
) -> ApmFigures:
    """Return the figures of one attribute.

    Args:
        scores: Predictions on the scale 0..1, of answers whose label is known.
        labels: These labels on the same scale.
        training_mean: Mean label of the training rows, on the same scale.
        attribute: Gives the scale on which errors are reported.
    """
    width = attribute.max - attribute.min
    errors = [width * abs(s - t) for s, t in zip(scores, labels, strict=True)]
    constant = [width * abs(training_mean - t) for t in labels]
    levels = {quantise(from_unit(s, attribute), attribute) for s in scores}
    return ApmFigures(
        pearson=pearson(scores, labels),
        mae=_mean(errors),
        constant_mean_mae=round(fmean(constant), 6) if constant else None,
        num_labels=len(labels),
        num_distinct_levels=len(levels),
    )


def pearson(xs: Sequence[float], ys: Sequence[float]) -> MetricValue:
    """Return Pearson's r with the 95 % interval of Fisher's z; no value if one side is constant."""
    n = len(xs)
    if n < 2 or min(xs) == max(xs) or min(ys) == max(ys):
        return MetricValue(value=None)
    mean_x, mean_y = fmean(xs), fmean(ys)
    covariance = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    spread = math.sqrt(
        math.fsum((x - mean_x) ** 2 for x in xs) * math.fsum((y - mean_y) ** 2 for y in ys)
    )
    if spread == 0:
        return MetricValue(value=None)
    r = max(-1.0, min(1.0, covariance / spread))
    if n < 4:
        return MetricValue(value=round(r, 6))
    z, half = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r))), _Z95 / math.sqrt(n - 3)
    return MetricValue(
        value=round(r, 6), lower=round(math.tanh(z - half), 6), upper=round(math.tanh(z + half), 6)
    )


def _mean(values: Sequence[float]) -> MetricValue:
    """Return a mean with its 95 % interval (normal approximation)."""
    if not values:
        return MetricValue(value=None)
    mean = fmean(values)
    if len(values) < 2:
        return MetricValue(value=round(mean, 6))
    half = _Z95 * stdev(values) / math.sqrt(len(values))
    return MetricValue(
        value=round(mean, 6), lower=round(mean - half, 6), upper=round(mean + half, 6)
    )
