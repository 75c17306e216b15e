"""Takes comparisons to the judge, one after the other, within the budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from steerlm_jobs.evaluation.judge.client import (
    MAX_OUTPUT_TOKENS,
    RefusedError,
    Reply,
    UnavailableError,
)
from steerlm_jobs.evaluation.judge.comparisons import Comparison, Judgement, Messages, NotJudged
from steerlm_jobs.evaluation.judge.costs import Budget, Usage, most_tokens
from steerlm_jobs.evaluation.judge.questions import Form, Question, questions_of
from steerlm_jobs.evaluation.judge.verdicts import averaged

_GIVES_UP_AFTER: Final = 3
"""Comparisons in a row that a judge may leave without an answer before it is asked no more."""


class Asks(Protocol):
    """Whoever can be asked."""

    def ask(self, messages: Messages) -> Reply:
        """Return the answer."""
        ...


def keep_nothing(_comparison: Comparison, _reply: Reply) -> None:
    """Let a reply go."""


@dataclass(slots=True)
class Judge:
    """Judges comparisons and counts what they cost."""

    client: Asks
    form: Form
    budget: Budget
    spent: Usage = field(default_factory=Usage)
    """Before this process, too."""
    _num_unanswered: int = 0

    def judgement(
        self,
        comparison: Comparison,
        paid: Sequence[Reply] = (),
        keep: Callable[[Comparison, Reply], None] = keep_nothing,
    ) -> Judgement:
        """Return what is said of a comparison, or why nothing is.

        Args:
            comparison: What to ask.
            paid: The replies to its first questions, if it was asked before; they are in `spent`.
            keep: Given each new reply as it comes. Where it raises, the comparison ends.

        Raises:
            BadConfigError: The endpoint does not know the address, the key or the model.
        """
        questions = questions_of(comparison, self.form)
        replies = list(paid)
        if not questions:
            return _judged(comparison, questions, replies, NotJudged.NO_ANSWER)
        cause = self._obstacle(questions[len(replies) :])
        if cause is None:
            cause = self._ask(comparison, questions, replies, keep)
        return _judged(comparison, questions, replies, cause)

    def _obstacle(self, missing: Sequence[Question]) -> NotJudged | None:
        """Return why these are not asked; None: nothing is in the way."""
        if not missing:
            return None
        if self._num_unanswered >= _GIVES_UP_AFTER:
            return NotJudged.UNAVAILABLE
        at_most = sum((most_tokens(q.messages, MAX_OUTPUT_TOKENS) for q in missing), start=Usage())
        return None if self.budget.allows(self.spent, at_most) else NotJudged.COST_CAP

    def _ask(
        self,
        comparison: Comparison,
        questions: Sequence[Question],
        replies: list[Reply],
        keep: Callable[[Comparison, Reply], None],
    ) -> NotJudged | None:
        """Ask what has no reply yet and add the replies; return what came in between."""
        cause: NotJudged | None = None
        try:
            for question in questions[len(replies) :]:
                reply = self.client.ask(question.messages)
                self.spent += reply.usage
                replies.append(reply)
                keep(comparison, reply)
        except RefusedError:
            cause = NotJudged.REFUSED
        except UnavailableError:
            cause = NotJudged.UNAVAILABLE
        is_unanswered = cause is NotJudged.UNAVAILABLE
        self._num_unanswered = self._num_unanswered + 1 if is_unanswered else 0
        return cause


def _judged(
    comparison: Comparison,
    questions: Sequence[Question],
    replies: Sequence[Reply],
    cause: NotJudged | None,
) -> Judgement:
    """Return the judgement, with what was paid also where it came to nothing."""
    texts = tuple(reply.text for reply in replies)
    scores = None if cause is not None else averaged(questions, texts)
    if scores is None and cause is None:
        cause = NotJudged.UNREADABLE
    usage = sum((reply.usage for reply in replies), start=Usage())
    return Judgement(comparison.prompt_id, comparison.opponent, scores, cause, usage, texts)
