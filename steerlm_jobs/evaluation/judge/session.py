"""The judge's part of an evaluation: answers at target labels are compared, each verdict once.

Replies cost money, so each is stored as it comes and never asked for again. All else is decided
anew by the next attempt: what they say, what the money is not enough for, what the judge refuses,
and what it cannot be reached for.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.contract.recipes import EvaluateRecipe, JudgeRule
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.judge.client import ChatClient, Endpoint, Reply
from steerlm_jobs.evaluation.judge.comparisons import Comparison, Judgement
from steerlm_jobs.evaluation.judge.costs import Budget
from steerlm_jobs.evaluation.judge.dialogues import comparisons
from steerlm_jobs.evaluation.judge.follow_ups import target_answers
from steerlm_jobs.evaluation.judge.judging import Judge
from steerlm_jobs.evaluation.judge.keys import judge_key
from steerlm_jobs.evaluation.judge.replies import PaidReplies
from steerlm_jobs.evaluation.judge.tally import judge_figures, judge_warnings, prices_of
from steerlm_jobs.evaluation.work import Work
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.chunks import ChunkStore
from steerlm_jobs.store.clock import monotonic_seconds

_PART = "replies"
_TICK_SECONDS = 1.0


def check_key(config: StageConfig, recipe: EvaluateRecipe) -> None:
    """Refuse a missing key before any answer is made.

    Raises:
        BadConfigError: The recipe has a judge, and its key is not there.
    """
    if recipe.judge is not None:
        judge_key(config.execution.judge_secret_name)


def judged(
    context: StageContext, recipe: EvaluateRecipe, work: Work, answers: Sequence[MeasuredAnswer]
) -> tuple[Judgement, ...]:
    """Return the judgements of all comparisons of the final model; none without a judge.

    Args:
        context: The stage's.
        recipe: Names the judge.
        work: What was asked.
        answers: One per row of the work.

    Raises:
        BadConfigError: The endpoint knows neither the address, the key nor the model.
        InterruptedStageError: Asked to stop; replies stay.
    """
    if recipe.judge is None:
        return ()
    wanted = comparisons(work.prompts, target_answers(context, recipe, work, answers), recipe.seed)
    with closing(_client(context, recipe.judge)) as client:
        return tuple(_judgements(context, recipe.judge, client, wanted))


def with_judge(
    found: Evaluation, judgements: Sequence[Judgement], recipe: EvaluateRecipe
) -> Evaluation:
    """Return the figures with those of the judge, if there is one."""
    if recipe.judge is None:
        return found
    figures = judge_figures(judgements, recipe.judge, derived_seed(recipe.seed, "judge"))
    warnings = (*found.warnings, *judge_warnings(figures))
    return found.model_copy(update={"judge": figures, "warnings": warnings})


def _client(context: StageContext, rule: JudgeRule) -> ChatClient:
    key = judge_key(context.config.execution.judge_secret_name)
    return ChatClient(Endpoint(rule.endpoint_url, rule.model, key), wait=_waiting(context.tick))


def _judgements(
    context: StageContext, rule: JudgeRule, client: ChatClient, wanted: Sequence[Comparison]
) -> Iterator[Judgement]:
    """Yield the judgement of each comparison, from replies that are stored where there are any."""
    paid = PaidReplies(ChunkStore(context.config, _PART), wanted, rule.form)
    judge = Judge(client, rule.form, Budget(prices_of(rule), rule.max_cost), paid.spent)
    total = len(wanted)
    context.progress.update(done=0, total=total, unit="comparisons", activity="judging")

    def keep(comparison: Comparison, reply: Reply) -> None:
        paid.keep(comparison, reply)
        context.tick()

    for place, comparison in enumerate(wanted):
        context.tick()
        yield judge.judgement(comparison, paid.of(comparison), keep)
        context.progress.update(done=place + 1)


def _waiting(tick: Callable[[], None]) -> Callable[[float], None]:
    """Return a sleep during which the stage shows that it lives, and may be stopped."""

    def wait(seconds: float) -> None:
        end = monotonic_seconds() + seconds
        while (left := end - monotonic_seconds()) > 0:
            tick()
            time.sleep(min(left, _TICK_SECONDS))

    return wait
