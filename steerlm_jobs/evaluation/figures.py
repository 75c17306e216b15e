"""From measured answers to the figures of `metrics.json`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from steerlm_jobs.contract.evaluation import (
    NOT_MEASURED,
    ApmFigures,
    Evaluation,
    ModelRow,
    Sweep,
)
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.evaluation.comparisons import compared
from steerlm_jobs.evaluation.measured import Measured
from steerlm_jobs.evaluation.scorers import APM_NAME, SECOND_NAME, Scorer, ScorerKind
from steerlm_jobs.evaluation.sweep_figures import is_reliable, sweep_figures
from steerlm_jobs.evaluation.sweeps import BOTH_SWEEPS

_UNFINISHED_WARNING = 0.1
"""Above this fraction of cut answers, lengths and scores say more about the limit."""


def evaluation(
    measured: Measured,
    scorers: Sequence[Scorer],
    apm: Mapping[str, ApmFigures],
    seed: int,
    second: Mapping[str, ApmFigures] | None = None,
) -> Evaluation:
    """Return all sweeps, comparisons, and the gate metrics of the final model.

    Args:
        measured: The answers.
        scorers: Who measures.
        apm: The labelling APM's own validation figures.
        seed: Of the bootstrap resamples.
        second: The second scorer's own validation figures, if there is one.
    """
    reliability = {APM_NAME: apm, SECOND_NAME: second or {}}
    seed = derived_seed(seed, "bootstrap")
    made = [
        (scorer, sweep_figures(measured, place, scorer, others, reliability, seed))
        for place in range(len(measured.subjects))
        for others in BOTH_SWEEPS
        for scorer in scorers
        if measured.sweep(place, scorer.attribute, others)
    ]
    targets = measured.plan.targets
    final = measured.subjects[0]
    return Evaluation(
        attributes=measured.schema.names,
        final_model=final.stage,
        sweeps=tuple(sweep for _scorer, sweep in made),
        models=tuple(_model_row(measured, place) for place in range(len(measured.subjects))),
        comparisons=tuple(
            compared(measured, place, scorer, targets[scorer.attribute], reliability, seed)
            for place in range(1, len(measured.subjects))
            for scorer in scorers
        ),
        level_counts={name: dict(counts) for name, counts in final.level_counts.items()},
        apm=dict(apm),
        second_scorer=dict(second or {}),
        metrics=_metrics(_of_final(made, final.stage), apm),
        warnings=(
            *_unfinished(measured),
            *_unreliable(apm, "the APM"),
            *_unreliable(second or {}, "the second scorer"),
        ),
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


def _of_final(made: Sequence[tuple[Scorer, Sweep]], final: str) -> Iterator[tuple[Scorer, Sweep]]:
    """Yield the final model's sweeps at target with their scorers.

    Those of the labelling APM are left out where there is a second scorer.
    """
    has_second = any(scorer.kind is ScorerKind.SECOND for scorer, _sweep in made)
    for scorer, sweep in made:
        is_shadowed = has_second and scorer.kind is ScorerKind.APM
        if sweep.model == final and sweep.others == "Target" and not is_shadowed:
            yield scorer, sweep


def _metrics(
    sweeps: Iterable[tuple[Scorer, Sweep]], apm: Mapping[str, ApmFigures]
) -> dict[str, MetricValue]:
    """Return the metrics by the names in `contract.gates`, in a fixed order."""
    metrics: dict[str, MetricValue] = {}
    for scorer, sweep in sweeps:
        match scorer.kind:
            case ScorerKind.APM | ScorerKind.SECOND:
                is_known = sweep.is_measurable  # else a gate fails, as with NaN
                name = f"steerability/{sweep.attribute}"
                metrics[f"{name}/spearman"] = sweep.spearman if is_known else NOT_MEASURED
                metrics[f"{name}/slope"] = sweep.slope if is_known else NOT_MEASURED
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


def _model_row(measured: Measured, place: int) -> ModelRow:
    subject = measured.subjects[place]
    distinct = {id(a): a for row in measured.answers[place] for a in row}.values()
    said = [a for a in distinct if a.answer is not None]
    return ModelRow(
        name=subject.stage,
        role=subject.role,
        num_answers=len(said),
        num_empty=sum(a.answer == "" for a in said),
        num_unfinished=sum(not a.is_finished for a in said),
        num_too_long=len(distinct) - len(said),
    )


def _unfinished(measured: Measured) -> Iterable[str]:
    for place, subject in enumerate(measured.subjects):
        row = _model_row(measured, place)
        if row.num_answers and row.num_unfinished > _UNFINISHED_WARNING * row.num_answers:
            yield (
                f"{subject.stage}: {row.num_unfinished} of {row.num_answers} answers were cut by"
                " maxNewTokens; lengths and scores are those of the cut text"
            )
        if row.num_empty:
            yield f"{subject.stage}: {row.num_empty} of {row.num_answers} answers are empty"
        if row.num_too_long:
            yield f"{subject.stage}: {row.num_too_long} prompts were too long to be asked"


def _unreliable(figures: Mapping[str, ApmFigures], who: str) -> Iterable[str]:
    for name, of_name in figures.items():
        if not is_reliable(of_name.pearson):
            yield (
                f"{name}: not measurable by {who}: on held-out labels its r is not"
                " distinguishable from 0; trust the meters"
            )
