"""Who measures an answer: both APMs, the run's own meters, the built-in text meters."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.recipes import Meter, MeterRule
from steerlm_jobs.data.meters import METERS, rule_level
from steerlm_jobs.evaluation.answers import MeasuredAnswer

APM_NAME: Final = "apm"
SECOND_NAME: Final = "other-half"
"""The APM of stage train-judge."""


class ScorerKind(StrEnum):
    """Who measures; only the APM made the training labels, all others are independent."""

    APM = "Apm"
    SECOND = "Second"
    """The APM that learnt from the other half of the labels."""
    RULE = "Rule"
    """A meter of the run's own, made for one attribute."""
    BUILT_IN = "BuiltIn"
    """A text meter that is shown beside every attribute."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """One way of measuring one attribute."""

    name: str
    attribute: str
    kind: ScorerKind
    score: Callable[[MeasuredAnswer], float | None]
    """None where it cannot say."""


def all_scorers(
    schema: Schema, rules: Iterable[MeterRule], *, has_second: bool = False
) -> tuple[Scorer, ...]:
    """Return every scorer of every attribute: APMs, then rules, then built-in meters.

    Raises:
        BadConfigError: A rule's pattern is no regular expression.
    """
    scorers = [_apm(name) for name in schema.names]
    scorers += [_second(name) for name in schema.names if has_second]
    scorers += [_rule(rule, schema) for rule in rules if rule.attribute in schema.names]
    scorers += [_built_in(meter, name) for name in schema.names for meter in Meter]
    return tuple(scorers)


def _apm(attribute: str) -> Scorer:
    return Scorer(APM_NAME, attribute, ScorerKind.APM, lambda a: a.scores.get(attribute))


def _second(attribute: str) -> Scorer:
    return Scorer(
        SECOND_NAME, attribute, ScorerKind.SECOND, lambda a: a.second_scores.get(attribute)
    )


def _rule(rule: MeterRule, schema: Schema) -> Scorer:
    try:
        re.compile(rule.pattern)
    except re.error as error:
        msg = f"evaluate.meters: {rule.name}: {rule.pattern!r} is no regular expression: {error}"
        raise BadConfigError(msg) from error
    attribute = schema.scale(rule.attribute)

    def score(answer: MeasuredAnswer) -> float | None:
        return None if answer.answer is None else rule_level(rule, attribute, answer.answer)

    return Scorer(rule.name, rule.attribute, ScorerKind.RULE, score)


def _built_in(meter: Meter, attribute: str) -> Scorer:
    def score(answer: MeasuredAnswer) -> float | None:
        return None if answer.answer is None else METERS[meter](answer.answer)

    return Scorer(meter.value.lower(), attribute, ScorerKind.BUILT_IN, score)
