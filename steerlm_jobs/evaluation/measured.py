"""All that an evaluation measured, arranged by model, setting and prompt. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.evaluation import ModelRole
from steerlm_jobs.data.meters import count_words
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.intervals import Floats, SweepValues
from steerlm_jobs.evaluation.scorers import Scorer
from steerlm_jobs.evaluation.sweeps import Others, SweepPlan


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under evaluation."""

    stage: str
    """Stage id, or `base-in-words`."""
    untrained: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Levels with too few training examples, by attribute."""
    role: ModelRole = ModelRole.FINAL
    level_counts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """Training examples by attribute and level."""


@dataclass(frozen=True, slots=True)
class AskedLevel:
    """The answers at one level of a sweep."""

    level: int
    answers: tuple[MeasuredAnswer, ...]
    """One per prompt."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured. `answers[model][setting][prompt]`, models as in `subjects`."""

    schema: Schema
    plan: SweepPlan
    subjects: tuple[Subject, ...]
    """The final model first."""
    answers: tuple[tuple[tuple[MeasuredAnswer, ...], ...], ...]
    """A baseline has the settings at target alone."""

    def sweep(self, model: int, attribute: str, others: Others) -> tuple[AskedLevel, ...]:
        """Return the levels of a sweep in rising order; those that were not asked are left out."""
        if others == "Observed" and self.subjects[model].role.is_baseline:
            return ()
        places, of_model = self.plan.places_of(others), self.answers[model]
        scale = self.schema.scale(attribute)
        return tuple(
            AskedLevel(level, of_model[places[attribute, level]])
            for level in range(scale.min, scale.max + 1)
            if (attribute, level) in places
        )


def sweep_values(levels: Sequence[AskedLevel], scorer: Scorer) -> SweepValues:
    """Return what a scorer saw; NaN where it cannot say."""
    return SweepValues(
        np.array([asked.level for asked in levels], dtype=np.float64),
        _table([[_number(scorer.score(a)) for a in asked.answers] for asked in levels]),
    )


def word_counts(levels: Sequence[AskedLevel]) -> Floats:
    """Return [L, P], the number of words of each answer; NaN where there is none."""
    return _table(
        [
            [_number(None if a.answer is None else count_words(a.answer)) for a in asked.answers]
            for asked in levels
        ]
    )


def _table(rows: list[list[float]]) -> Floats:
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else 0)


def _number(score: float | None) -> float:
    return float("nan") if score is None else float(score)
