"""The final model beside the others: differences on the same prompts, with paired intervals."""

from steerlm_jobs.contract.evaluation import NOT_MEASURED, Comparison
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.intervals import (
    SweepValues,
    difference,
    least_squares_slope,
    rho,
    steered,
    weighted_mean,
)
from steerlm_jobs.evaluation.measured import Measured, sweep_values
from steerlm_jobs.evaluation.scorers import Scorer
from steerlm_jobs.evaluation.sweep_figures import Reliability, is_reliable


def compared(
    measured: Measured,
    other: int,
    scorer: Scorer,
    target: int,
    reliability: Reliability,
    seed: int,
) -> Comparison:
    """Return how the final model differs from another, by one scorer, others at target.

    Args:
        measured: The answers.
        other: Place of the other model among the subjects.
        scorer: Who measures which attribute.
        target: The attribute's target level.
        reliability: Of the scorers that learnt from labels.
        seed: Of the resamples; each draws the same prompts for both models.
    """
    final, against = measured.subjects[0], measured.subjects[other]
    values, others = (
        sweep_values(measured.sweep(model, scorer.attribute, "Target"), scorer)
        for model in (0, other)
    )
    own = reliability.get(scorer.name, {}).get(scorer.attribute)
    return Comparison(
        model=final.stage,
        against=against.stage,
        role=against.role,
        attribute=scorer.attribute,
        scorer=scorer.name,
        is_measurable=own is None or is_reliable(own.pearson),
        spearman=difference(steered(rho), values, others, seed),
        slope=difference(steered(least_squares_slope), values, others, seed),
        mean_at_target=_at_level(values, others, target, seed),
    )


def _at_level(values: SweepValues, others: SweepValues, level: int, seed: int) -> MetricValue:
    places = [place for place, asked in enumerate(values.levels) if asked == level]
    if not places:  # a target outside the range: only by hand
        return NOT_MEASURED
    first, second = (
        SweepValues(one.levels[places], one.measured[places]) for one in (values, others)
    )
    return difference(weighted_mean, first, second, seed)
