"""The answers of all models under evaluation, chunk by chunk, one model in memory at a time."""

from collections.abc import Sequence

from steerlm_jobs.contract.evaluation import ModelRole
from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.work import Row, Work
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.in_words import words_model
from steerlm_jobs.generate.steered import Answer, Request, SteeredModel
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.chunks import ChunkStore, chunk_ranges


def answered(context: StageContext, recipe: EvaluateRecipe, work: Work) -> list[MeasuredAnswer]:
    """Return the answer of every row, not scored yet; those that exist already are read.

    Raises:
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    chunks, rows = ChunkStore(context.config), work.rows
    missing = chunks.missing(len(rows), work.chunk_rows)
    num_chunks = len(chunk_ranges(len(rows), work.chunk_rows)) - len(missing)
    context.progress.update(checkpoint_step=num_chunks)
    models = Models(context, work)
    for numbers in missing:
        context.stop.raise_if_set()
        asked = rows[numbers.start : numbers.stop]
        made = _answers(recipe, work, models, asked)
        found = (_measured(work, *pair) for pair in zip(asked, made, strict=True))
        chunks.write(numbers, (answer.to_json() for answer in found))
        num_chunks += 1
        done = min(num_chunks * work.chunk_rows, len(rows))
        context.progress.update(done=done, checkpoint_step=num_chunks)
    return [MeasuredAnswer.from_json(row) for row in chunks.rows()]


class Models:
    """Holds one model at a time."""

    def __init__(self, context: StageContext, work: Work) -> None:
        self._tick, self._work = context.tick, work
        self._place = -1
        self._model: SteeredModel | None = None

    def __getitem__(self, place: int) -> SteeredModel:
        if self._model is None or self._place != place:
            self._model = None  # frees its memory before the next one is loaded
            self._model = self._loaded(place)
            self._place = place
        return self._model

    def _loaded(self, place: int) -> SteeredModel:
        model = self._work.models[place]
        if model.role is ModelRole.BASE_IN_WORDS:
            return words_model(model.folder, self._work.schema, self._tick)
        return SteeredModel.load(model.folder, self._tick)


def _answers(
    recipe: EvaluateRecipe, work: Work, models: Models, asked: Sequence[Row]
) -> list[Answer | None]:
    """Return the answers of one chunk; its rows are sorted by model."""
    sampling = Sampling(recipe.max_new_tokens, is_greedy=True)
    answers: list[Answer | None] = []
    for place in sorted({row.model for row in asked}):
        requests = [
            Request(work.prompts[row.prompt], work.labels(row))
            for row in asked
            if row.model == place
        ]
        answers += models[place].answers(requests, sampling, recipe.max_length_tokens)
    return answers


def _measured(work: Work, row: Row, answer: Answer | None) -> MeasuredAnswer:
    prompt = work.prompts[row.prompt]
    return MeasuredAnswer(
        model=work.models[row.model].name,
        labels=work.labels(row),
        prompt_id=prompt.id,
        prompt=prompt.turns[-1].text,
        answer=None if answer is None else answer.text,
        is_finished=answer is not None and answer.is_finished,
    )
