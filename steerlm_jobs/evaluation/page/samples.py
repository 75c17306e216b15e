"""Answers side by side: the same question, one attribute moved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.page.axes import level_ticks
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.scorers import Scorer, ScorerKind

SAMPLE_PROMPTS: Final = 3
"""Prompts whose answers stand side by side; all are in samples.jsonl."""

_Place = tuple[str, tuple[tuple[str, int], ...]]
"""(prompt id, labels in name order)."""


@dataclass(frozen=True, slots=True)
class SampleColumn:
    """An answer at one level."""

    level: int
    answer: str
    badges: tuple[tuple[str, str], ...]
    """(scorer, what it measured)."""
    is_target: bool


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A question and its answers."""

    question: str
    ends: tuple[SampleColumn, ...]
    """At the lowest and the highest level."""
    levels: tuple[SampleColumn, ...]
    """At all levels, or as many as there is room for; empty if that says no more than `ends`."""


def sample_parts(facts: PageFacts) -> list[tuple[str, tuple[SampleQuestion, ...]]]:
    """Return (attribute, its questions), of the final model, others at target."""
    of_final = [a for a in facts.answers if a.model == facts.evaluation.final_model]
    questions = {a.prompt_id: a.prompt for a in of_final}
    shown = list(questions.items())[:SAMPLE_PROMPTS]
    ids = dict(shown)
    places = {_place(a.prompt_id, a.labels): a for a in of_final if a.prompt_id in ids}
    found = [
        (attribute.name, tuple(_questions(facts, attribute, shown, places)))
        for attribute in facts.schema.attributes
    ]
    return [(name, asked) for name, asked in found if asked]


def _questions(
    facts: PageFacts,
    attribute: Attribute,
    shown: Sequence[tuple[str, str]],
    places: Mapping[_Place, MeasuredAnswer],
) -> Iterator[SampleQuestion]:
    scorers = [
        s
        for s in facts.scorers
        if s.attribute == attribute.name and s.kind is not ScorerKind.BUILT_IN
    ]
    levels = level_ticks(range(attribute.min, attribute.max + 1))
    target = facts.targets[attribute.name]
    for prompt_id, question in shown:
        columns = {}
        for level in {*levels, attribute.max}:
            labels = {**facts.targets, attribute.name: level}
            answer = places.get(_place(prompt_id, labels))
            if answer is not None:
                badges = tuple(_badges(scorers, answer))
                columns[level] = SampleColumn(level, _shown(answer), badges, level == target)
        ordered = tuple(columns[level] for level in sorted(columns))
        if ordered:
            ends = (ordered[0], *ordered[-1:]) if len(ordered) > 1 else ordered
            yield SampleQuestion(question, ends, ordered if len(ordered) > len(ends) else ())


def _place(prompt_id: str, labels: Mapping[str, int]) -> _Place:
    return prompt_id, tuple(sorted(labels.items()))


def _badges(scorers: Sequence[Scorer], answer: MeasuredAnswer) -> Iterator[tuple[str, str]]:
    for scorer in scorers:
        score = scorer.score(answer)
        if score is not None:
            digits = 0 if scorer.kind is ScorerKind.RULE else 1
            yield scorer.name, f"{round(score, digits) + 0.0:.{digits}f}"  # no -0.0


def _shown(answer: MeasuredAnswer) -> str:
    if answer.answer is None:
        return "(the prompt was too long)"
    if not answer.answer:
        return "(no text)"
    return answer.answer + ("" if answer.is_finished else " \N{HORIZONTAL ELLIPSIS}")
