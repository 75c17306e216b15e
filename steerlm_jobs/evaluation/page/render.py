"""The page as text: a template filled with escaped facts."""

from importlib.resources import files
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from steerlm_jobs.evaluation.page.facts import (
    PageFacts,
    attribute_parts,
    curve_parts,
    interval_text,
    level_rows,
)

_PACKAGE: Final = "steerlm_jobs.evaluation.page"
_TEMPLATE: Final = "report.html.j2"


def report_page(facts: PageFacts) -> str:
    """Return the page as one HTML document that loads nothing.

    Every text is escaped: prompts and answers are strangers' words.
    """
    environment = Environment(
        loader=DictLoader({_TEMPLATE: _resource(_TEMPLATE)}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = interval_text
    environment.globals["level_rows"] = level_rows
    subjects = facts.measured.subjects
    return environment.get_template(_TEMPLATE).render(
        style=Markup(_resource("style.css")),  # noqa: S704  # our own file, no foreign text
        evaluation=facts.evaluation,
        attributes=attribute_parts(facts),
        curves=curve_parts(facts),
        gates=facts.gates,
        lineage=facts.lineage,
        num_prompts=len(facts.measured.answers[0][0]),
        earlier_model=subjects[1].stage if len(subjects) > 1 else "",
    )


def _resource(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")
