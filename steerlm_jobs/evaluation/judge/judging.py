"""Takes comparisons to the judge, one after the other, within the budget."""

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


@dataclass(slots=True)
class Judge:
    """Judges comparisons and counts what they cost."""

    client: Asks
    form: Form
    budget: Budget
    spent: Usage = field(default_factory=Usage)
    """Before this process, too."""
    _num_unanswered: int = 0

    def judgement(self, comparison: Comparison) -> Judgement:
        """Return what is said of a comparison, or why nothing is.

        Raises:
            BadConfigError: The endpoint does not know the address, the key or the model.
        """
        if not comparison.dialogues:
            return _not_judged(comparison, NotJudged.NO_ANSWER)
        if self._num_unanswered >= _GIVES_UP_AFTER:
            return _not_judged(comparison, NotJudged.UNAVAILABLE)
        questions = questions_of(comparison, self.form)
        at_most = sum(
            (most_tokens(q.messages, MAX_OUTPUT_TOKENS) for q in questions), start=Usage()
        )
        if not self.budget.allows(self.spent, at_most):
            return _not_judged(comparison, NotJudged.COST_CAP)
        return self._asked(comparison, questions)

    def _asked(self, comparison: Comparison, questions: tuple[Question, ...]) -> Judgement:
        usage, replies = Usage(), list[str]()
        cause: NotJudged | None = None
        try:
            for question in questions:
                reply = self.client.ask(question.messages)
                usage += reply.usage
                replies.append(reply.text)
        except RefusedError:
            cause = NotJudged.REFUSED
        except UnavailableError:
            cause = NotJudged.UNAVAILABLE
        self.spent += usage
        is_unanswered = cause is NotJudged.UNAVAILABLE
        self._num_unanswered = self._num_unanswered + 1 if is_unanswered else 0
        scores = None if cause is not None else averaged(questions, replies)
        if scores is None and cause is None:
            cause = NotJudged.UNREADABLE
        return Judgement(
            comparison.prompt_id, comparison.opponent, scores, cause, usage, tuple(replies)
        )


def _not_judged(comparison: Comparison, cause: NotJudged) -> Judgement:
    return Judgement(comparison.prompt_id, comparison.opponent, None, cause, Usage())
