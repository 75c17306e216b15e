"""How good are the answers of a model that is being trained? One number, to choose a checkpoint.

The mean score of the attribute `quality`, by the APM that made the labels, of greedy answers at the
target labels to prompts that stay the same (arXiv:2310.05344 chooses its checkpoints so).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from transformers import PreTrainedModel

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.evaluation.prompts import selection_prompts
from steerlm_jobs.evaluation.samples import prompt_of
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Request, SteeredModel
from steerlm_jobs.generate.transformers_loop import TransformersGenerator
from steerlm_jobs.models.leaf_probe import NO_LIMIT
from steerlm_jobs.models.loading import max_position
from steerlm_jobs.models.scorer import load_scorer

ATTRIBUTE: Final = "quality"

Score = Callable[[Sequence[Conversation], Callable[[], None]], Sequence[Mapping[str, float] | None]]
"""Returns the scores of each conversation's last turn; None where it is too long to be read."""


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """Measures a model as it stands; see `train.loop.Quality`."""

    model: PreTrainedModel
    tokenizer: ChatTokenizer
    schema: Schema
    targets: Mapping[str, int]
    prompts: Sequence[Conversation]
    score: Score
    training: Training
    precision: Callable[[], AbstractContextManager[object]]
    """In which the model is run; the APM runs as it was saved."""

    def __call__(self, on_token: Callable[[], None]) -> float:
        """Return the mean quality; NaN if no answer can be scored."""
        length = self.training.max_length_tokens
        longest = min(self.training.best_by_max_new_tokens, length // 2)
        generator = TransformersGenerator(self.model, self.tokenizer, on_token)
        steered = SteeredModel(generator, self.tokenizer, self.schema, length)
        requests = [Request(prompt, self.targets) for prompt in self.prompts]
        with self.precision():
            answers = steered.answers(requests, Sampling(longest, is_greedy=True), length)
        said = [
            replace(prompt, turns=(*prompt.turns, Turn(Role.ASSISTANT, answer.text)))
            for prompt, answer in zip(self.prompts, answers, strict=True)
            if answer is not None
        ]
        scores = [s[ATTRIBUTE] for s in self.score(said, on_token) if s is not None]
        return fmean(scores) if scores else math.nan


def quality_prompts(
    validation: Iterable[Conversation],
    asked: Iterable[Conversation],
    num_prompts: int,
    seed: int,
) -> list[Conversation]:
    """Return the prompts whose answers are measured: the same at every validation.

    As few as possible are `asked` by evaluate: its figures are of no use on what chose the model.
    """
    found = (prompt_of(conversation) for conversation in validation)
    return selection_prompts((p for p in found if p is not None), asked, num_prompts, seed)


def score_by_apm(folder: Path) -> Score:
    """Load an APM that scores answers, however long, up to what its model was made for.

    An untrained model's answers may have more tokens when they are read than when written.

    Raises:
        BadConfigError: The folder is not an APM's.
    """
    scorer = load_scorer(folder)
    longest = max_position(folder) or NO_LIMIT

    def score(
        answered: Sequence[Conversation], on_batch: Callable[[], None]
    ) -> list[Mapping[str, float] | None]:
        return [of_turns[-1] for of_turns in scorer.score(answered, longest, on_batch)]

    return score
