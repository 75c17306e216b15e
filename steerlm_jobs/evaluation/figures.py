"""From measured answers to the figures of `metrics.json`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import ApmFigures, Evaluation, LevelRow, Sweep
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.data.meters import count_words
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.intervals import (
    SweepValues,
    level_mean,
    slope,
    spearman,
)
from steerlm_jobs.evaluation.scorers import Scorer, ScorerKind
from steerlm_jobs.evaluation.sweeps import SweepPlan

_UNFINISHED_WARNING = 0.1
"""Above this fraction of cut answers, lengths and scores say more about the limit."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under evaluation."""

    stage: str
    untrained: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Levels with too few training examples, by attribute."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured. `answers[model][setting][prompt]`, models as in `subjects`."""

    schema: Schema
    plan: SweepPlan
    subjects: tuple[Subject, ...]
    """The final model first."""
    answers: tuple[tuple[tuple[MeasuredAnswer, ...], ...], ...]


def evaluation(
    measured: Measured, scorers: Sequence[Scorer], apm: Mapping[str, ApmFigures], seed: int
) -> Evaluation:
    """Return all sweeps, and the gate metrics of the final model.

    Args:
        measured: The answers.
        scorers: Who measures.
        apm: The labelling APM's own validation figures.
        seed: Of the bootstrap resamples.
    """
    sweeps = tuple(
        _sweep(measured, place, scorer, seed)
        for place in range(len(measured.subjects))
        for scorer in scorers
    )
    final = measured.subjects[0].stage
    of_final = list(zip(scorers, sweeps[: len(scorers)], strict=True))
    metrics = _metrics(of_final, apm)
    return Evaluation(
        attributes=measured.schema.names,
        final_model=final,
        sweeps=sweeps,
        apm=dict(apm),
        metrics=metrics,
        warnings=(*_unfinished(measured), *_unreliable(apm)),
    )


def metric_strings(found: Evaluation) -> dict[str, str]:
    """Return the metrics as a report carries them: `0.930 [0.900, 0.950]`."""
    return {name: _metric_string(metric) for name, metric in found.metrics.items()}


def _metric_string(metric: MetricValue) -> str:
    if metric.value is None:
        return "-"
    if metric.lower is None or metric.upper is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} [{metric.lower:.3f}, {metric.upper:.3f}]"


def _sweep(measured: Measured, model: int, scorer: Scorer, seed: int) -> Sweep:
    attribute = measured.schema.scale(scorer.attribute)
    levels = range(attribute.min, attribute.max + 1)
    answers = [
        measured.answers[model][measured.plan.places[attribute.name, level]] for level in levels
    ]
    values = SweepValues(
        np.array(levels, dtype=np.float64),
        np.array([[_number(scorer.score(a)) for a in row] for row in answers]),
    )
    # The same resamples for all sweeps: then two models or scorers differ by what they measured
    seed = derived_seed(seed, "bootstrap")
    subject = measured.subjects[model]
    return Sweep(
        model=subject.stage,
        attribute=attribute.name,
        scorer=scorer.name,
        is_independent=scorer.kind is not ScorerKind.APM,
        spearman=spearman(values, seed),
        slope=slope(values, seed),
        levels=_level_rows(attribute, values, answers, subject, seed),
    )


def _level_rows(
    attribute: Attribute,
    values: SweepValues,
    answers: Sequence[Sequence[MeasuredAnswer]],
    subject: Subject,
    seed: int,
) -> tuple[LevelRow, ...]:
    rows = []
    for place, of_level in enumerate(answers):
        level = attribute.min + place
        mean = level_mean(values, place, seed)
        if mean.value is None:  # nothing could be measured at this level
            continue
        rows.append(
            LevelRow(
                level=level,
                mean=mean.value,
                lower=mean.value if mean.lower is None else mean.lower,
                upper=mean.value if mean.upper is None else mean.upper,
                num_prompts=int(np.isfinite(values.measured[place]).sum()),
                mean_words=_mean_words(of_level),
                is_trained=level not in subject.untrained.get(attribute.name, ()),
            )
        )
    return tuple(rows)


def _mean_words(answers: Iterable[MeasuredAnswer]) -> float:
    counts = [count_words(a.answer) for a in answers if a.answer is not None]
    return round(float(np.mean(counts)), 6) if counts else 0.0


def _number(score: float | None) -> float:
    return float("nan") if score is None else float(score)


def _metrics(
    sweeps: Iterable[tuple[Scorer, Sweep]], apm: Mapping[str, ApmFigures]
) -> dict[str, MetricValue]:
    """Return the metrics by the names in `contract.gates`, in a fixed order."""
    metrics: dict[str, MetricValue] = {}
    for scorer, sweep in sweeps:
        match scorer.kind:
            case ScorerKind.APM:
                metrics[f"steerability/{sweep.attribute}/spearman"] = sweep.spearman
                metrics[f"steerability/{sweep.attribute}/slope"] = sweep.slope
            case ScorerKind.RULE:
                metrics[f"meter/{sweep.scorer}/spearman"] = sweep.spearman
            case ScorerKind.BUILT_IN:  # one per attribute under the same name: no gate's business
                continue
            case _:
                assert_never(scorer.kind)
    for name, figures in apm.items():
        metrics[f"apm/{name}/pearson"] = figures.pearson
        metrics[f"apm/{name}/mae"] = figures.mae
    return metrics


def _unfinished(measured: Measured) -> Iterable[str]:
    for subject, of_model in zip(measured.subjects, measured.answers, strict=True):
        asked = [a for row in of_model for a in row if a.answer is not None]
        num_cut = sum(not a.is_finished for a in asked)
        if asked and num_cut > _UNFINISHED_WARNING * len(asked):
            yield (
                f"{subject.stage}: {num_cut} of {len(asked)} answers were cut by maxNewTokens;"
                " lengths and scores are those of the cut text"
            )
        num_missing = sum(a.answer is None for row in of_model for a in row)
        if num_missing:
            yield f"{subject.stage}: {num_missing} prompts were too long to be asked"


def _unreliable(apm: Mapping[str, ApmFigures]) -> Iterable[str]:
    for name, figures in apm.items():
        lower, upper = figures.pearson.lower, figures.pearson.upper
        if lower is None or upper is None or lower <= 0 <= upper:
            yield (
                f"{name}: not measurable by the APM: on held-out labels its r is not"
                " distinguishable from 0; trust the meters"
            )
