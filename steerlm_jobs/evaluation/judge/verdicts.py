"""From replies of the judge to scores. Pure."""

import re
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from steerlm_jobs.evaluation.judge.comparisons import Side
from steerlm_jobs.evaluation.judge.questions import Question

_SCORE: Final = r"\s*(\d{1,2}(?:\.\d+)?)\s*"
_FORMS: Final = {
    1: re.compile(rf"\[\[{_SCORE}\]\]"),
    2: re.compile(rf"\[\[{_SCORE},{_SCORE}\]\]"),
}
_LOWEST, _HIGHEST = 1.0, 10.0


def read_verdict(reply: str, num_scores: int) -> tuple[float, ...] | None:
    """Return the scores in a reply; None: it has none of this form, or one out of range.

    The last ones count: a judge that reasons may repeat what it was told to write.
    """
    found = _FORMS[num_scores].findall(reply)
    if not found:
        return None
    last = (found[-1],) if num_scores == 1 else found[-1]
    scores = tuple(float(text) for text in last)
    return scores if all(_LOWEST <= score <= _HIGHEST for score in scores) else None


def averaged(questions: Sequence[Question], replies: Sequence[str]) -> dict[Side, float] | None:
    """Return each side's mean score over all orders and turns; None: a reply cannot be read.

    One order alone would favour whoever stands first, so it does not count without the other.
    """
    scores: dict[Side, list[float]] = {side: [] for side in Side}
    for question, reply in zip(questions, replies, strict=True):
        verdict = read_verdict(reply, len(question.sides))
        if verdict is None:
            return None
        for side, score in zip(question.sides, verdict, strict=True):
            scores[side].append(score)
    return {side: round(fmean(of_side), 6) for side, of_side in scores.items()}
