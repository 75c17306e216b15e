"""What the page is given, and how it is arranged for the template."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import ApmFigures, Evaluation, LevelRow, Sweep
from steerlm_jobs.contract.gates import GateResult, MetricValue
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.figures import Measured
from steerlm_jobs.evaluation.page.plots import (
    Curve,
    Line,
    curve_plot,
    histogram_plot,
    interval_plot,
    length_plot,
    steering_plot,
)
from steerlm_jobs.evaluation.scorers import APM_NAME, Scorer, ScorerKind

SAMPLE_PROMPTS: Final = 3
"""Prompts whose answers stand side by side; all are in samples.jsonl."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """All that the page shows; every part of it stands in some artifact."""

    evaluation: Evaluation
    measured: Measured
    scorers: tuple[Scorer, ...]
    curves: Mapping[str, Curve]
    """Training history by stage id."""
    human_levels: Mapping[str, Mapping[int, int]]
    """People's labels by attribute: level -> count."""
    trained_levels: Mapping[str, Mapping[int, int]]
    """Labels that the final model was trained on."""
    lineage: tuple[tuple[str, str, str], ...]
    """(stage, fingerprint, digest) of each input."""
    gates: tuple[GateResult, ...]


@dataclass(frozen=True, slots=True)
class SampleColumn:
    """An answer at one level."""

    level: int
    answer: str
    badges: tuple[tuple[str, str], ...]
    """(scorer, what it measured)."""
    is_target: bool


@dataclass(frozen=True, slots=True)
class AttributePart:
    """All that the page says of one attribute."""

    name: str
    target: int
    headline: Sweep
    """By an independent meter where there is one, else by the APM."""
    headline_interval: Markup
    sweeps: tuple[Sweep, ...]
    """Of the final model by the APM and the attribute's own meters."""
    text_sweeps: tuple[Sweep, ...]
    """Of the final model by the built-in text meters."""
    earlier: tuple[Sweep, ...]
    """`sweeps`, of the model before."""
    apm: ApmFigures | None
    plot: Markup
    legend: tuple[tuple[str, str], ...]
    """(CSS class, name)."""
    lengths: Markup
    histogram: Markup
    has_untrained: bool
    samples: tuple[tuple[str, tuple[SampleColumn, ...]], ...]
    """(question, its answers by level)."""


def attribute_parts(facts: PageFacts) -> list[AttributePart]:
    """Return the page's parts in schema order."""
    return [_part(facts, attribute) for attribute in facts.measured.schema.attributes]


def curve_parts(facts: PageFacts) -> list[tuple[str, Curve, Markup]]:
    """Return (stage, curve, drawing) of each model with a history."""
    return [(name, c, curve_plot(c)) for name, c in facts.curves.items() if c.train]


def curve_of(training: Mapping[str, Any]) -> Curve:
    """Read a model's `training.json`."""
    losses = training.get("loss", [])
    train = [(i + 1.0, float(loss)) for i, loss in enumerate(losses) if loss is not None]
    validation = [(float(v["step"]), float(v["loss"])) for v in training.get("validation", [])]
    return Curve(tuple(train), tuple(validation), training.get("bestStep"))


def levels_of(counts: Mapping[str, int]) -> dict[int, int]:
    """Return a histogram whose levels are numbers again."""
    return {int(level): int(count) for level, count in counts.items()}


def interval_text(metric: MetricValue) -> str:
    """Return `0.93 [0.90, 0.95]`, or a dash."""
    if metric.value is None:
        return "\N{EN DASH}"
    if metric.lower is None or metric.upper is None:
        return f"{metric.value:.2f}"
    return f"{metric.value:.2f} [{metric.lower:.2f}, {metric.upper:.2f}]"


def _part(facts: PageFacts, attribute: Attribute) -> AttributePart:
    name = attribute.name
    final, *before = [subject.stage for subject in facts.measured.subjects]
    own = _sweeps(facts, name, final, ScorerKind.APM, ScorerKind.RULE)
    earlier = tuple(
        s for stage in before for s in _sweeps(facts, name, stage, ScorerKind.APM, ScorerKind.RULE)
    )
    independent = [s for s in own if s.is_independent]
    headline = independent[0] if independent else own[0]
    lines, legend = _lines(own, earlier)
    return AttributePart(
        name=name,
        target=_target(facts, attribute),
        headline=headline,
        headline_interval=interval_plot(headline.spearman, _style(headline)),
        sweeps=own,
        text_sweeps=_sweeps(facts, name, final, ScorerKind.BUILT_IN),
        earlier=earlier,
        apm=facts.evaluation.apm.get(name),
        plot=steering_plot(attribute, lines),
        legend=legend,
        lengths=length_plot(own[0].levels),
        histogram=_histogram(facts, name),
        has_untrained=any(not row.is_trained for row in own[0].levels),
        samples=tuple(_samples(facts, attribute)),
    )


def _sweeps(facts: PageFacts, name: str, model: str, *kinds: ScorerKind) -> tuple[Sweep, ...]:
    scorers = {s.name for s in facts.scorers if s.attribute == name and s.kind in kinds}
    return tuple(
        s
        for s in facts.evaluation.sweeps
        if s.model == model and s.attribute == name and s.scorer in scorers
    )


def _lines(
    own: Sequence[Sweep], earlier: Sequence[Sweep]
) -> tuple[list[Line], tuple[tuple[str, str], ...]]:
    """Return the lines of a steering plot, the most important last: it is drawn on top."""
    lines = [
        Line(f"{s.scorer}, {s.model}", f"{_style(s)} earlier", s.levels, has_band=False)
        for s in earlier
    ]
    lines += [Line(s.scorer, _style(s), s.levels) for s in own]
    legend = [(line.style, line.name) for line in reversed(lines)]
    return lines, tuple(legend)


def _style(sweep: Sweep) -> str:
    return "meter" if sweep.is_independent else "apm"


def _target(facts: PageFacts, attribute: Attribute) -> int:
    """Return the level that all other attributes' sweeps ask for."""
    others = [a for a in facts.measured.schema.attributes if a.name != attribute.name]
    if not others:
        return attribute.max
    place = facts.measured.plan.places[others[0].name, others[0].min]
    return facts.measured.plan.settings[place][attribute.name]


def _histogram(facts: PageFacts, name: str) -> Markup:
    human = facts.human_levels.get(name, {})
    trained = facts.trained_levels.get(name, {})
    return histogram_plot(human, trained) if human or trained else Markup("")


def _samples(
    facts: PageFacts, attribute: Attribute
) -> Iterator[tuple[str, tuple[SampleColumn, ...]]]:
    scorers = [
        s
        for s in facts.scorers
        if s.attribute == attribute.name and s.kind is not ScorerKind.BUILT_IN
    ]
    of_model = facts.measured.answers[0]
    target = _target(facts, attribute)
    for prompt in range(min(SAMPLE_PROMPTS, len(of_model[0]))):
        columns = []
        for level in range(attribute.min, attribute.max + 1):
            answer = of_model[facts.measured.plan.places[attribute.name, level]][prompt]
            columns.append(
                SampleColumn(
                    level=level,
                    answer=_shown(answer),
                    badges=tuple(_badges(scorers, answer)),
                    is_target=level == target,
                )
            )
        yield of_model[0][prompt].prompt, tuple(columns)


def _badges(scorers: Sequence[Scorer], answer: MeasuredAnswer) -> Iterator[tuple[str, str]]:
    for scorer in scorers:
        score = scorer.score(answer)
        if score is not None:
            digits = 1 if scorer.name == APM_NAME else 0
            yield scorer.name, f"{round(score, digits) + 0.0:.{digits}f}"  # no -0.0


def _shown(answer: MeasuredAnswer) -> str:
    if answer.answer is None:
        return "(the prompt was too long)"
    return answer.answer + ("" if answer.is_finished else " \N{HORIZONTAL ELLIPSIS}")


def level_rows(sweeps: Sequence[Sweep]) -> list[tuple[int, list[LevelRow | None]]]:
    """Return (level, its row in each sweep) for a table; None where nothing was measured."""
    levels = sorted({row.level for sweep in sweeps for row in sweep.levels})
    by_level = [{row.level: row for row in sweep.levels} for sweep in sweeps]
    return [(level, [rows.get(level) for rows in by_level]) for level in levels]
