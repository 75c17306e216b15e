"""Whoever scores answers: an attribute prediction model of either form, told by its folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.apm import Apm, Scores, load_apm, score_conversations, scoring_note
from steerlm_jobs.models.generative_apm import GENERATIVE, GenerativeApm
from steerlm_jobs.models.steerlm_json import read_steerlm_json


class AttributeScorer(Protocol):
    """Scores the answers of conversations."""

    @property
    def schema(self) -> Schema:
        """The attributes that it knows."""

    def score(
        self,
        conversations: Sequence[Conversation],
        max_length_tokens: int,
        on_batch: Callable[[], None] = ...,
    ) -> list[list[Scores | None]]:
        """Score every assistant turn.

        The result depends on these conversations alone. `on_batch` is called before each batch and
        may raise to leave.

        Returns:
            For each conversation, for each of its assistant turns in order, the score of each
            attribute on the attribute's scale; None where no cut from the left makes the turn fit.
        """

    def note(self, max_length_tokens: int) -> str:
        """Return a line for people about how it scores; empty: nothing to say."""


@dataclass(frozen=True, slots=True)
class RegressionScorer:
    """The regression form as a scorer."""

    apm: Apm
    tokenizer: ChatTokenizer
    schema: Schema

    def score(
        self,
        conversations: Sequence[Conversation],
        max_length_tokens: int,
        on_batch: Callable[[], None] = lambda: None,
    ) -> list[list[Scores | None]]:
        """Score every assistant turn; see `AttributeScorer`."""
        return score_conversations(
            self.apm, self.tokenizer, self.schema, conversations, max_length_tokens, on_batch
        )

    def note(self, max_length_tokens: int) -> str:
        """Return why turns are scored one by one, if they are."""
        return scoring_note(self.apm, max_length_tokens)


def load_scorer(folder: Path) -> AttributeScorer:
    """Load an attribute prediction model onto the accelerator, if there is one.

    Raises:
        BadConfigError: The folder is not that of an attribute prediction model.
    """
    if read_steerlm_json(folder).get("form") == GENERATIVE:
        return GenerativeApm.load(folder)
    return RegressionScorer(*load_apm(folder))
