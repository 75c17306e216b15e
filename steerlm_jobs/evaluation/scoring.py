"""The scores of all answers by an attribute prediction model, chunk by chunk.

Apart from answering, so that no model waits in memory for another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.work import Row, Work
from steerlm_jobs.models.scorer import load_scorer
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.chunks import ChunkStore, chunk_ranges

Scores = Mapping[str, float]
_DIGITS: Final = 6
"""Beyond a millionth, scores are noise of the arithmetic."""


def scored(
    context: StageContext,
    recipe: EvaluateRecipe,
    work: Work,
    answers: Sequence[MeasuredAnswer],
    name: str,
    folder: Path,
) -> list[Scores]:
    """Return the scores of every answer; empty where there is none, or it is too long to be read.

    Args:
        context: The stage's.
        recipe: Gives the longest sequence that is read.
        work: What was asked.
        answers: One per row of the work.
        name: Of the scorer: its chunks have a folder of that name.
        folder: The attribute prediction model.

    Raises:
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    chunks = ChunkStore(context.config, name)
    missing = chunks.missing(len(answers), work.chunk_rows)
    num_chunks = len(chunk_ranges(len(answers), work.chunk_rows)) - len(missing)
    num_chunks += context.progress.current.checkpoint_step
    context.progress.update(checkpoint_step=num_chunks)
    if missing:
        apm = _Apm(context, recipe, folder)
        for numbers in missing:
            context.stop.raise_if_set()
            asked = work.rows[numbers.start : numbers.stop]
            found = apm.scores(work, asked, answers[numbers.start : numbers.stop])
            chunks.write(numbers, found)
            num_chunks += 1
            done = context.progress.current.done + len(numbers)
            context.progress.update(done=done, checkpoint_step=num_chunks)
    return list(chunks.rows())


class _Apm:
    """An attribute prediction model in memory."""

    def __init__(self, context: StageContext, recipe: EvaluateRecipe, folder: Path) -> None:
        self._scorer = load_scorer(folder)
        context.notes.add(self._scorer.note(recipe.max_length_tokens))
        self._max_length, self._tick = recipe.max_length_tokens, context.tick

    def scores(
        self, work: Work, asked: Sequence[Row], answers: Sequence[MeasuredAnswer]
    ) -> list[Scores]:
        """Return the scores of each answer's last turn."""
        said = [
            _conversation(work.prompts[row.prompt], answer.answer)
            for row, answer in zip(asked, answers, strict=True)
            if answer.answer is not None
        ]
        found = self._scorer.score(said, self._max_length, self._tick)
        last = iter([of_turns[-1] or {} for of_turns in found])
        return [{} if a.answer is None else _rounded(next(last)) for a in answers]


def _conversation(prompt: Conversation, answer: str) -> Conversation:
    return replace(prompt, turns=(*prompt.turns, Turn(Role.ASSISTANT, answer)))


def _rounded(scores: Scores) -> Scores:
    return {name: round(score, _DIGITS) for name, score in scores.items()}
