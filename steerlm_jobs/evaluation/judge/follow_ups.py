"""Answers at target labels, and to the questions that follow them in prompts such as MT-bench's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.evaluation.answering import Models
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.judge.dialogues import Answers
from steerlm_jobs.evaluation.work import Row, Work
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Request, SteeredModel
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.chunks import ChunkStore

_PART = "follow-ups"
Said = list[tuple[str, ...] | None]
"""Of one model, for each prompt: its answers so far."""


def target_answers(
    context: StageContext, recipe: EvaluateRecipe, work: Work, answers: Sequence[MeasuredAnswer]
) -> dict[str, Answers]:
    """Return all models' answers by name, the final one's first.

    Raises:
        InterruptedStageError: Asked to stop; the answers of finished models stay.
    """
    target = work.plan.settings.index({name: recipe.targets[name] for name in work.schema.names})
    of_models = work.measured(answers).answers
    first: list[Said] = [
        [None if a.answer is None else (a.answer,) for a in settings[target]]
        for settings in of_models
    ]
    if any(prompt.follow_ups for prompt in work.prompts):
        first = _followed_up(context, recipe, work, first, target)
    return {model.name: said for model, said in zip(work.models, first, strict=True)}


def _followed_up(
    context: StageContext, recipe: EvaluateRecipe, work: Work, first: list[Said], target: int
) -> list[Said]:
    context.progress.update(activity="asking further")
    chunks, models = ChunkStore(context.config, _PART), Models(context, work)
    for numbers in chunks.missing(len(first), 1):
        context.stop.raise_if_set()
        (place,) = numbers
        labels = work.labels(Row(place, target, 0))
        said = _all_turns(models[place], recipe, work.prompts, first[place], labels)
        chunks.write(numbers, [{"answers": said}])
    return [
        [None if said is None else tuple(said) for said in row["answers"]] for row in chunks.rows()
    ]


def _all_turns(
    model: SteeredModel,
    recipe: EvaluateRecipe,
    prompts: Sequence[Conversation],
    said: Said,
    labels: Mapping[str, int],
) -> Said:
    """Ask one follow-up after the other; a prompt that gets too long for one is given up."""
    sampling = Sampling(recipe.max_new_tokens, is_greedy=True)
    said = list(said)
    for turn in range(max(len(prompt.follow_ups) for prompt in prompts)):
        asked = [
            (place, _extended(prompt, answers))
            for place, (prompt, answers) in enumerate(zip(prompts, said, strict=True))
            if answers is not None and turn < len(prompt.follow_ups)
        ]
        found = model.answers(
            [Request(prompt, labels) for _, prompt in asked], sampling, recipe.max_length_tokens
        )
        for (place, _), answer in zip(asked, found, strict=True):
            before = said[place] or ()
            said[place] = None if answer is None else (*before, answer.text)
    return said


def _extended(prompt: Conversation, answers: tuple[str, ...]) -> Conversation:
    """Return the conversation up to the next question, after all answers so far."""
    turns = list(prompt.turns)
    for answer, question in zip(answers, prompt.follow_ups, strict=False):
        turns += [Turn(Role.ASSISTANT, answer), Turn(Role.USER, question)]
    return replace(prompt, turns=tuple(turns))
