"""One sweep as figures: rho and slope, at any length and at fixed length, and a row per level."""

from collections.abc import Mapping, Sequence

import numpy as np

from steerlm_jobs.contract.evaluation import ApmFigures, LevelRow, Sweep
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.fixed_length import (
    slope_at_fixed_length,
    spearman_at_fixed_length,
)
from steerlm_jobs.evaluation.intervals import Floats, SweepValues, level_mean, slope, spearman
from steerlm_jobs.evaluation.measured import AskedLevel, Measured, sweep_values, word_counts
from steerlm_jobs.evaluation.scorers import Scorer, ScorerKind
from steerlm_jobs.evaluation.sweeps import Others

Reliability = Mapping[str, Mapping[str, ApmFigures]]
"""Scorer -> attribute -> how well it predicts people's held-out labels; meters are not in it."""


def sweep_figures(
    measured: Measured,
    model: int,
    scorer: Scorer,
    others: Others,
    reliability: Reliability,
    seed: int,
) -> Sweep:
    """Return what one scorer saw of one attribute.

    Args:
        measured: The answers.
        model: Place of the model among the subjects.
        scorer: Who measures which attribute.
        others: Which of the two sweeps.
        reliability: Of the scorers that learnt from labels.
        seed: Of the resamples: the same for all sweeps, so that they differ by what was measured.
    """
    levels = measured.sweep(model, scorer.attribute, others)
    values, words = sweep_values(levels, scorer), word_counts(levels)
    own = reliability.get(scorer.name, {}).get(scorer.attribute)
    return Sweep(
        model=measured.subjects[model].stage,
        attribute=scorer.attribute,
        scorer=scorer.name,
        is_independent=scorer.kind is not ScorerKind.APM,
        others=others,
        spearman=spearman(values, seed),
        slope=slope(values, seed),
        spearman_at_fixed_length=spearman_at_fixed_length(values, words, seed),
        slope_at_fixed_length=slope_at_fixed_length(values, words, seed),
        is_measurable=own is None or is_reliable(own.pearson),
        scorer_pearson=None if own is None else own.pearson,
        levels=tuple(
            _with_combination(row, measured, scorer.attribute) if others == "Observed" else row
            for row in _level_rows(measured, model, scorer, levels, values, words, seed)
        ),
    )


def is_reliable(pearson: MetricValue) -> bool:
    """Return True if a scorer ranks held-out answers as people do: the interval lies above 0.

    One that lies below 0 ranks them backwards, which is no measurement either.
    """
    return pearson.lower is not None and pearson.lower > 0


def _level_rows(
    measured: Measured,
    model: int,
    scorer: Scorer,
    levels: Sequence[AskedLevel],
    values: SweepValues,
    words: Floats,
    seed: int,
) -> tuple[LevelRow, ...]:
    untrained = measured.subjects[model].untrained.get(scorer.attribute, ())
    rows = []
    for place, asked in enumerate(levels):
        mean = level_mean(values, place, seed)
        if mean.value is None:  # nothing could be measured at this level
            continue
        rows.append(
            LevelRow(
                level=asked.level,
                mean=mean.value,
                lower=mean.value if mean.lower is None else mean.lower,
                upper=mean.value if mean.upper is None else mean.upper,
                num_prompts=int(np.isfinite(values.measured[place]).sum()),
                mean_words=_mean(words[place]),
                is_trained=asked.level not in untrained,
                num_empty=sum(a.answer == "" for a in asked.answers),
                num_unfinished=sum(
                    a.answer is not None and not a.is_finished for a in asked.answers
                ),
            )
        )
    return tuple(rows)


def _with_combination(row: LevelRow, measured: Measured, attribute: str) -> LevelRow:
    key = attribute, row.level
    labels = measured.plan.settings[measured.plan.observed[key]]
    return row.model_copy(
        update={"combination": dict(labels), "combination_count": measured.plan.counts[key]}
    )


def _mean(words: Floats) -> float:
    known = words[np.isfinite(words)]
    return round(float(known.mean()), 6) if len(known) else 0.0
