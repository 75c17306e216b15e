"""What an independent judge said, arranged for the template."""

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from steerlm_jobs.contract.evaluation import JudgedPair, JudgeFigures
from steerlm_jobs.evaluation.page.bars import share_bar
from steerlm_jobs.evaluation.page.series import square_key

_OUTCOMES: Final = (
    ("two", "wins"),
    ("tied", "ties"),
    ("one", "losses"),
    ("four", "not judged"),
)
"""(style, name) of what may become of a question."""
_CAUSES: Final = {
    "costCap": "the cost cap was reached",
    "unreadable": "no score could be read",
    "refused": "the endpoint refused",
    "unavailable": "the endpoint did not answer",
    "noAnswer": "a model gave no answer",
}


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """The final model beside one other."""

    pair: JudgedPair
    bar: Markup
    legend: tuple[tuple[Markup, str], ...]
    causes: tuple[tuple[str, int], ...]
    """Why questions were not judged."""


def judged_parts(judge: JudgeFigures | None) -> list[JudgedPart]:
    """Return a part for each model that the final one was compared with."""
    return [] if judge is None else [_part(pair) for pair in judge.pairs]


def _part(pair: JudgedPair) -> JudgedPart:
    counts = (pair.wins, pair.ties, pair.losses, pair.not_judged)
    parts = [(style, name, n) for (style, name), n in zip(_OUTCOMES, counts, strict=True)]
    return JudgedPart(
        pair=pair,
        bar=share_bar(parts, f"questions, against {pair.opponent}"),
        legend=tuple((square_key(style), f"{name} {n:,}") for style, name, n in parts if n),
        causes=tuple((_CAUSES.get(c, c), n) for c, n in pair.not_judged_causes.items()),
    )
