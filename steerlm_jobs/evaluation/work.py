"""What an evaluation has to do: which models answer which prompts under which labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.evaluation import ModelRole
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.measured import Measured, Subject
from steerlm_jobs.evaluation.prompts import chunk_rows
from steerlm_jobs.evaluation.sweeps import SweepPlan
from steerlm_jobs.models.steerlm_json import read_steerlm_json
from steerlm_jobs.store.artifacts import ArtifactReader

CHUNK_TARGET_ROWS: Final = 256
"""Answers made at once, and lost at most by a kill."""
BASE_IN_WORDS: Final = "base-in-words"
"""What the base model is called among the models; it is no stage's."""
BASE_FOLDER: Final = "base_model"
"""Where prepare's result holds the marked base model."""


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model that answers."""

    name: str
    role: ModelRole
    reader: ArtifactReader

    @property
    def folder(self) -> Path:
        """The model's Hugging Face folder, verified."""
        is_base = self.role is ModelRole.BASE_IN_WORDS
        return self.reader.folder(BASE_FOLDER) if is_base else self.reader.folder()


@dataclass(frozen=True, slots=True)
class Row:
    """One answer: places of its model, setting and prompt."""

    model: int
    setting: int
    prompt: int


@dataclass(frozen=True, slots=True)
class Work:
    """All answers to make; prompts change fastest, models slowest."""

    models: tuple[AskedModel, ...]
    """The final one first."""
    schema: Schema
    plan: SweepPlan
    prompts: tuple[Conversation, ...]

    @property
    def chunk_rows(self) -> int:
        """How many answers are made and stored together."""
        return chunk_rows(len(self.prompts), CHUNK_TARGET_ROWS)

    @property
    def rows(self) -> list[Row]:
        """All answers, in order."""
        return [
            Row(*places)
            for model in range(len(self.models))
            for places in product([model], self._settings(model), range(len(self.prompts)))
        ]

    def labels(self, row: Row) -> Mapping[str, int]:
        """Return what is asked for; nothing of a model that knows no labels."""
        is_plain = self.models[row.model].role is ModelRole.PLAIN_SFT
        return {} if is_plain else self.plan.settings[row.setting]

    def measured(self, answers: Sequence[MeasuredAnswer]) -> Measured:
        """Return the answers of all rows, arranged."""
        remaining = iter(answers)
        arranged = tuple(
            tuple(self._of_model(model, remaining)) for model in range(len(self.models))
        )
        return Measured(self.schema, self.plan, tuple(map(_subject, self.models)), arranged)

    def _settings(self, model: int) -> range:
        """Return the settings that a model is asked for.

        Baselines are asked for the sweeps at target alone; one that knows no labels answers all
        settings alike, so it is asked once.
        """
        role = self.models[model].role
        if role is ModelRole.PLAIN_SFT:
            return range(1)
        return range(self.plan.num_at_target if role.is_baseline else len(self.plan.settings))

    def _of_model(
        self, model: int, remaining: Iterator[MeasuredAnswer]
    ) -> Iterator[tuple[MeasuredAnswer, ...]]:
        made = [tuple(next(remaining) for _ in self.prompts) for _ in self._settings(model)]
        if self.models[model].role is ModelRole.PLAIN_SFT:
            made *= self.plan.num_at_target
        yield from made


def _subject(model: AskedModel) -> Subject:
    if model.role is ModelRole.BASE_IN_WORDS:
        return Subject(model.name, role=model.role)
    description = read_steerlm_json(model.folder)
    counts = description.get("levelCounts", {})
    return Subject(
        stage=model.name,
        untrained=description.get("untrainedLevels", {}),
        role=model.role,
        level_counts={
            name: {int(level): n for level, n in of_name.items()}
            for name, of_name in counts.items()
        },
    )
