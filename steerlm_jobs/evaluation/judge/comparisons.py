"""What is judged, and what came of it: values, as JSON rows too."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from steerlm_jobs.evaluation.judge.costs import Usage

Messages = tuple[Mapping[str, str], ...]
"""As the chat endpoint takes them: `{"role": ..., "content": ...}`."""


class Side(StrEnum):
    """Whose answer."""

    FINAL = "final"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The questions to one model and what it answered, in order."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    """As many as questions."""

    def up_to(self, turn: int) -> "Dialogue":
        """Return the dialogue to this turn, from 0, with it."""
        return Dialogue(self.questions[: turn + 1], self.answers[: turn + 1])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models and one question, or one question and those that follow it."""

    prompt_id: str
    opponent: str
    """Stage id of the other model."""
    dialogues: Mapping[Side, Dialogue]
    """Empty where a model was not asked: its prompt was too long."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells comparisons of one evaluation apart."""
        return self.prompt_id, self.opponent


class NotJudged(StrEnum):
    """Why a comparison has no scores."""

    NO_ANSWER = "noAnswer"
    """A model was not asked."""
    COST_CAP = "costCap"
    """It might have cost more than was left."""
    UNREADABLE = "unreadable"
    """A reply without the scores that were asked for."""
    REFUSED = "refused"
    """The endpoint refused the request: too long, say."""
    UNAVAILABLE = "unavailable"
    """No answer from the endpoint, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge said of one comparison; a row of `judgements.jsonl`."""

    prompt_id: str
    opponent: str
    scores: Mapping[Side, float] | None
    """Mean over orders and turns; None: not judged."""
    cause: NotJudged | None
    """None: judged."""
    usage: Usage
    replies: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """That of its comparison."""
        return self.prompt_id, self.opponent

    def to_json(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "promptId": self.prompt_id,
            "opponent": self.opponent,
            "scores": None if self.scores is None else {s.value: v for s, v in self.scores.items()},
            "notJudged": None if self.cause is None else self.cause.value,
            "usage": self.usage.to_json(),
            "replies": list(self.replies),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Judgement":
        """Read what `to_json` wrote."""
        scores, cause = value["scores"], value["notJudged"]
        return cls(
            prompt_id=value["promptId"],
            opponent=value["opponent"],
            scores=None if scores is None else {Side(s): v for s, v in scores.items()},
            cause=None if cause is None else NotJudged(cause),
            usage=Usage.from_json(value["usage"]),
            replies=tuple(value["replies"]),
        )
