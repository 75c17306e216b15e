"""What the page says of each attribute, arranged for the template."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import ApmFigures, Comparison, LevelRow, Sweep
from steerlm_jobs.evaluation.page.bars import histogram_plot, length_plot
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.page.series import line_key, plain_key, styles
from steerlm_jobs.evaluation.page.steering import Line, interval_plot, steering_plot
from steerlm_jobs.evaluation.scorers import APM_NAME, SECOND_NAME

Legend = tuple[tuple[Markup, str], ...]
"""(drawing, name)."""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model among others, seen by the headline's scorer."""

    sweep: Sweep
    interval: Markup


@dataclass(frozen=True, slots=True)
class AttributePart:
    """All that the page says of one attribute."""

    name: str
    target: int
    headline: Sweep
    """By an independent scorer where there is one, else by the APM."""
    headline_interval: Markup
    is_measured: bool
    """False: the headline says nothing, whatever its number."""
    remarks: tuple[str, ...]
    """What limits the headline."""
    sweeps: tuple[Sweep, ...]
    """Of the final model, others at target."""
    observed: tuple[Sweep, ...]
    """Of the final model, others as most often seen with the level."""
    text_sweeps: tuple[Sweep, ...]
    """By the built-in text meters."""
    models: tuple[ModelLine, ...]
    """All models, the final one first; empty if there is no other."""
    comparisons: tuple[Comparison, ...]
    """The final model minus each other one, by the headline's scorer."""
    figures: tuple[tuple[str, ApmFigures | None], ...]
    """(scorer, its own figures on held-out labels), of those that learnt from labels."""
    plot: Markup
    legend: Legend
    observed_plot: Markup
    lengths: Markup
    histogram: Markup

    @property
    def all_sweeps(self) -> tuple[Sweep, ...]:
        """Those of the table, the other models' last."""
        others = tuple(line.sweep for line in self.models[1:])
        return (*self.sweeps, *self.observed, *self.text_sweeps, *others)


def attribute_parts(facts: PageFacts) -> list[AttributePart]:
    """Return the page's parts in schema order; none for an attribute that nobody measured."""
    final = facts.evaluation.final_model
    return [
        _part(facts, attribute)
        for attribute in facts.schema.attributes
        if facts.sweeps(attribute.name, model=final)
    ]


def level_rows(sweeps: Sequence[Sweep]) -> list[tuple[int, list[LevelRow | None]]]:
    """Return (level, its row in each sweep) for a table; None where nothing was measured."""
    levels = sorted({row.level for sweep in sweeps for row in sweep.levels})
    by_level = [{row.level: row for row in sweep.levels} for sweep in sweeps]
    return [(level, [rows.get(level) for rows in by_level]) for level in levels]


def _part(facts: PageFacts, attribute: Attribute) -> AttributePart:
    name, final = attribute.name, facts.evaluation.final_model
    of_final = facts.sweeps(name, model=final)
    own = tuple(s for s in of_final if s.others == "Target")
    observed = tuple(s for s in of_final if s.others == "Observed")
    looks = styles((s.scorer, s.is_independent) for s in of_final)
    headline = own[0]
    lines = [Line(s.scorer, looks[s.scorer], s.levels) for s in own]
    earlier = _earlier(facts, headline, looks[headline.scorer])
    human = facts.made.human_levels.get(name, {})
    trained = facts.made.trained_levels.get(name, {})
    drawn = [*earlier, *reversed(lines)]  # the most important last: it lies on top
    return AttributePart(
        name=name,
        target=facts.targets[name],
        headline=headline,
        headline_interval=interval_plot(
            headline.spearman, looks[headline.scorer], f"{name}, Spearman by {headline.scorer}"
        ),
        is_measured=not _doubt(headline),
        remarks=tuple(_remarks(headline)),
        sweeps=own,
        observed=observed,
        text_sweeps=facts.text_sweeps(name),
        models=_models(facts, headline, looks[headline.scorer]),
        comparisons=tuple(
            c
            for c in facts.evaluation.comparisons
            if (c.attribute, c.scorer) == (name, headline.scorer)
        ),
        figures=tuple(_figures(facts, name)),
        plot=steering_plot(attribute, drawn),
        legend=_legend([*lines, *earlier]),
        observed_plot=_observed_plot(attribute, observed, looks),
        lengths=length_plot(name, headline.levels or own[-1].levels),
        histogram=histogram_plot(name, human, trained) if human or trained else Markup(""),
    )


def _figures(facts: PageFacts, name: str) -> Iterator[tuple[str, ApmFigures | None]]:
    yield APM_NAME, facts.evaluation.apm.get(name)
    if facts.evaluation.second_scorer:
        yield SECOND_NAME, facts.evaluation.second_scorer.get(name)


def _earlier(facts: PageFacts, headline: Sweep, style: str) -> list[Line]:
    """Return the previous model's line by the headline's scorer."""
    if not facts.previous_model:
        return []
    return [
        Line(f"{s.scorer}, {s.model}", f"{style} earlier", s.levels, has_band=False)
        for s in facts.sweeps(headline.attribute, model=facts.previous_model)
        if (s.scorer, s.others) == (headline.scorer, "Target")
    ]


def _legend(lines: Sequence[Line]) -> Legend:
    keys = [(line_key(line.style), line.name) for line in lines]
    return (*keys, (plain_key("ideal"), "ideal"))


def _observed_plot(
    attribute: Attribute, observed: Sequence[Sweep], looks: dict[str, str]
) -> Markup:
    lines = [Line(s.scorer, looks[s.scorer], s.levels) for s in reversed(observed)]
    return steering_plot(attribute, lines) if lines else Markup("")


def _models(facts: PageFacts, headline: Sweep, style: str) -> tuple[ModelLine, ...]:
    found = [
        s
        for s in facts.sweeps(headline.attribute)
        if (s.scorer, s.others) == (headline.scorer, "Target")
    ]
    if len(found) < 2:
        return ()
    found.sort(key=lambda s: s.model != facts.evaluation.final_model)
    what = f"{headline.attribute}, Spearman by {headline.scorer}"
    return tuple(
        ModelLine(s, interval_plot(s.spearman, style, f"{s.model}, {what}")) for s in found
    )


def _doubt(headline: Sweep) -> str:
    """Return why the headline is no measurement; empty if it is one."""
    if headline.spearman.value is None:
        return "not measurable: every answer measured the same"
    if not headline.is_measurable:
        return f"not measurable: the r of {headline.scorer} is not distinguishable from 0"
    return ""


def _remarks(headline: Sweep) -> Iterator[str]:
    if doubt := _doubt(headline):
        yield doubt
    untrained = [str(row.level) for row in headline.levels if not row.is_trained]
    if untrained:
        levels = "level" if len(untrained) == 1 else "levels"
        yield f"{levels} {', '.join(untrained)} not trained: too few examples"


def is_measurable(figures: ApmFigures | None) -> bool:
    """Return whether a model's r on held-out labels is distinguishable from 0."""
    if figures is None:
        return False
    lower, upper = figures.pearson.lower, figures.pearson.upper
    return lower is not None and upper is not None and not lower <= 0 <= upper
