"""The tables that say whether the model steers, and whether better than the models beside it."""

from collections.abc import Iterator
from typing import Final

from rich import box
from rich.table import Table

from steerlm_jobs.contract.evaluation import Comparison, Evaluation, LevelRow, Sweep
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.recipes import Meter

_TEXT_METERS: Final = frozenset(meter.value.casefold() for meter in Meter)
_STAND_IN: Final = Meter.WORDS.value.casefold()
"""Shown for an attribute that the spec has no meter for. The page shows all text meters."""


def steering_table(evaluation: Evaluation) -> Table:
    """Return a row for each attribute and scorer of the final model, others at their target."""
    sweeps = shown_sweeps(evaluation)
    levels = sorted({row.level for sweep in sweeps for row in sweep.levels})
    table = _table(f"asked for a level, measured in the answers of {evaluation.final_model}")
    for level in levels:
        table.add_column(str(level), justify="right", no_wrap=True)
    table.add_column("Spearman [95 %]", justify="right", no_wrap=True)
    for sweep in sweeps:
        measured = {row.level: row for row in sweep.levels}
        table.add_row(
            sweep.attribute,
            sweep.scorer,
            *(_mean(measured.get(level)) for level in levels),
            _figure(sweep, sweep.spearman),
        )
    return table


def further_table(evaluation: Evaluation) -> Table:
    """Return Spearman's rho at fixed length, and with the others as seen with each level."""
    table = _table("Spearman once more: at fixed length, and with the other labels as observed")
    table.add_column("at fixed length", justify="right", no_wrap=True)
    table.add_column("others as observed", justify="right", no_wrap=True)
    observed = {
        (sweep.attribute, sweep.scorer): sweep
        for sweep in evaluation.sweeps
        if sweep.model == evaluation.final_model and sweep.others == "Observed"
    }
    for sweep in shown_sweeps(evaluation):
        other = observed.get((sweep.attribute, sweep.scorer))
        table.add_row(
            sweep.attribute,
            sweep.scorer,
            _figure(sweep, sweep.spearman_at_fixed_length),
            "" if other is None else _figure(other, other.spearman),
        )
    return table


def comparison_tables(evaluation: Evaluation) -> Iterator[Table]:
    """Yield a table for each model that the final one is compared with."""
    shown = {(sweep.attribute, sweep.scorer) for sweep in shown_sweeps(evaluation)}
    for model in evaluation.models[1:]:
        table = _table(f"{evaluation.final_model} minus {model.name}")
        table.add_column("Spearman [95 %]", justify="right", no_wrap=True)
        table.add_column("mean at target", justify="right", no_wrap=True)
        found = [
            comparison
            for comparison in evaluation.comparisons
            if comparison.against == model.name
            and (comparison.attribute, comparison.scorer) in shown
        ]
        for comparison in sorted(found, key=lambda c: evaluation.attributes.index(c.attribute)):
            table.add_row(
                comparison.attribute,
                comparison.scorer,
                _figure(comparison, comparison.spearman),
                _figure(comparison, comparison.mean_at_target),
            )
        yield table


def shown_sweeps(evaluation: Evaluation) -> list[Sweep]:
    """Return the sweeps of the final model that a table has room for, independent scorers first.

    The text meters are left to the page, but for words where the spec has no meter.
    """
    sweeps = [
        sweep
        for sweep in evaluation.sweeps
        if sweep.model == evaluation.final_model and sweep.others == "Target"
    ]
    metered = {s.attribute for s in sweeps if s.is_independent and s.scorer not in _TEXT_METERS}
    return sorted(
        (
            sweep
            for sweep in sweeps
            if sweep.scorer not in _TEXT_METERS
            or (sweep.scorer == _STAND_IN and sweep.attribute not in metered)
        ),
        key=lambda sweep: (
            evaluation.attributes.index(sweep.attribute),
            not sweep.is_independent,
        ),
    )


def interval(metric: MetricValue) -> str:
    """Return `0.93 [0.90, 0.95]`."""
    if metric.value is None:
        return "not measurable"
    if metric.lower is None or metric.upper is None:
        return f"{metric.value:.2f}"
    return f"{metric.value:.2f} [{metric.lower:.2f}, {metric.upper:.2f}]"


def has_untrained(evaluation: Evaluation) -> bool:
    """Return True if a level of the table is marked as not trained."""
    return any(not row.is_trained for sweep in shown_sweeps(evaluation) for row in sweep.levels)


def _table(title: str) -> Table:
    """Return a table with the columns that all have."""
    # Without lines and wide margins eight columns of numbers fit into 80 characters
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("attribute", no_wrap=True)
    table.add_column("measured by", no_wrap=True)
    return table


def _figure(row: Sweep | Comparison, metric: MetricValue) -> str:
    """Return a figure, if the scorer's own r on held-out labels is distinguishable from 0."""
    return interval(metric) if row.is_measurable else "not measurable"


def _mean(row: LevelRow | None) -> str:
    if row is None:
        return ""
    return f"{row.mean:.2f}" if row.is_trained else f"{row.mean:.2f}*"
