"""From judgements to wins, losses and ties, with intervals over questions. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from steerlm_jobs.contract.evaluation import JudgedPair, JudgeFigures
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.recipes import JudgeRule
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.evaluation.intervals import SweepValues, level_mean
from steerlm_jobs.evaluation.judge.comparisons import Judgement, Side
from steerlm_jobs.evaluation.judge.costs import Prices, Usage

_SAME: float = 1e-9


def judge_figures(judgements: Sequence[Judgement], rule: JudgeRule, seed: int) -> JudgeFigures:
    """Return the figures of all opponents, in the order in which they first occur."""
    usage = sum((j.usage for j in judgements), start=Usage())
    prices = prices_of(rule)
    opponents = tuple(dict.fromkeys(j.opponent for j in judgements))
    return JudgeFigures(
        model=rule.model,
        form=rule.form,
        pairs=tuple(
            _pair(opponent, [j for j in judgements if j.opponent == opponent], seed)
            for opponent in opponents
        ),
        num_requests=usage.num_requests,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=None if prices is None else round(prices.cost(usage), 6),
        is_cost_estimated=usage.is_estimated,
    )


def prices_of(rule: JudgeRule) -> Prices | None:
    """Return the prices; None: not known."""
    if rule.input_price is None or rule.output_price is None:
        return None
    return Prices(rule.input_price, rule.output_price)


def judge_warnings(figures: JudgeFigures) -> Iterable[str]:
    """Yield one line for each opponent of which something was not judged."""
    for pair in figures.pairs:
        if pair.not_judged:
            causes = ", ".join(f"{n} {cause}" for cause, n in pair.not_judged_causes.items())
            total = pair.wins + pair.losses + pair.ties + pair.not_judged
            yield (
                f"judge {figures.model}: {pair.not_judged} of {total} comparisons with"
                f" {pair.opponent} were not judged ({causes})"
            )


def _pair(opponent: str, judgements: Sequence[Judgement], seed: int) -> JudgedPair:
    scores = [j.scores for j in judgements if j.scores is not None]
    outcomes = [_outcome(s[Side.FINAL], s[Side.OTHER]) for s in scores]
    causes = Counter(j.cause.value for j in judgements if j.cause is not None)
    return JudgedPair(
        opponent=opponent,
        wins=outcomes.count(1.0),
        losses=outcomes.count(0.0),
        ties=outcomes.count(0.5),
        not_judged=sum(causes.values()),
        not_judged_causes=dict(sorted(causes.items())),
        win_rate=_mean(outcomes, seed),
        score=_mean([s[Side.FINAL] for s in scores], seed),
        opponent_score=_mean([s[Side.OTHER] for s in scores], seed),
    )


def _outcome(final: float, other: float) -> float:
    if abs(final - other) < _SAME:
        return 0.5
    return 1.0 if final > other else 0.0


def _mean(values: Sequence[float], seed: int) -> MetricValue:
    if not values:
        return MetricValue(value=None)
    measured = SweepValues(np.zeros(1), np.array([values], dtype=np.float64))
    return level_mean(measured, 0, derived_seed(seed, "judge"))
