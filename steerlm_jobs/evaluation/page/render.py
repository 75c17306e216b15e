"""The page as text: a template filled with escaped facts."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from steerlm_jobs.contract.evaluation import ModelRole
from steerlm_jobs.evaluation.page.attributes import (
    Legend,
    attribute_parts,
    is_measurable,
    level_rows,
)
from steerlm_jobs.evaluation.page.bars import share_bar
from steerlm_jobs.evaluation.page.curves import Curve, curve_plot
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.page.judged import judged_parts
from steerlm_jobs.evaluation.page.rounds import Round
from steerlm_jobs.evaluation.page.samples import sample_parts
from steerlm_jobs.evaluation.page.series import line_key, square_key
from steerlm_jobs.evaluation.page.steering import (
    difference_text,
    interval_text,
    two_digits,
)

_PACKAGE: Final = "steerlm_jobs.evaluation.page"
_TEMPLATE: Final = "report.html.j2"
_CURVE_LEGEND: Final = (("train", "training"), ("validation", "validation"))
_FATES: Final = (
    ("trained", "trained on"),
    ("filtered", "left out by the filter"),
    ("unfinished", "cut by the token limit"),
    ("duplicates", "duplicates"),
    ("empty", "empty"),
    ("other", "too long to be scored"),
)
"""(style, name) of what becomes of a sample."""

_ROLES: Final = {
    ModelRole.FINAL: "the result",
    ModelRole.PREVIOUS: "the result before the last iteration",
    ModelRole.PLAIN_SFT: "baseline: the same answers without labels",
    ModelRole.PERMUTED_LABELS: "baseline: labels of other conversations",
    ModelRole.BASE_IN_WORDS: "baseline: the base model, asked in words",
}


@dataclass(frozen=True, slots=True)
class RoundPart:
    """A bootstrap iteration and its picture."""

    facts: Round
    fates: Markup
    legend: Legend


def report_page(facts: PageFacts) -> str:
    """Return the page as one HTML document that loads nothing.

    Every text is escaped: prompts and answers are strangers' words.
    """
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            style=Markup(_resource("style.css")),  # noqa: S704  # our own file, no foreign text
            facts=facts,
            evaluation=facts.evaluation,
            made=facts.made,
            attributes=attribute_parts(facts),
            judged=judged_parts(facts.evaluation.judge),
            samples=sample_parts(facts),
            curves=_curve_parts(facts),
            curve_legend=[(line_key(style), name) for style, name in _CURVE_LEGEND],
            label_legend=[
                (square_key("human"), "in the data"),
                (square_key("trained"), "trained on"),
            ],
            rounds=[_round_part(one) for one in facts.made.rounds],
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = interval_text
    environment.filters["difference"] = difference_text
    environment.filters["number"] = two_digits
    environment.globals["level_rows"] = level_rows
    environment.globals["is_measurable"] = is_measurable
    environment.globals["roles"] = _ROLES
    return environment


def _curve_parts(facts: PageFacts) -> list[tuple[str, Curve, Markup]]:
    """Return (stage, curve, drawing) of each model with a history."""
    curves = facts.made.curves.items()
    return [(name, curve, curve_plot(name, curve)) for name, curve in curves if curve.train]


def _round_part(one: Round) -> RoundPart:
    labelled = one.count("kept") - one.num_too_long
    counts = (
        one.num_kept,
        max(0, labelled - one.num_kept),
        one.count("unfinished"),
        one.count("duplicates"),
        one.count("empty"),
        one.num_too_long,
    )
    parts = [(style, name, count) for (style, name), count in zip(_FATES, counts, strict=True)]
    legend = tuple(
        (square_key(style), f"{name} {count:,}") for style, name, count in parts if count
    )
    return RoundPart(one, share_bar(parts, f"{one.stage}: what became of the samples"), legend)


def _resource(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")
