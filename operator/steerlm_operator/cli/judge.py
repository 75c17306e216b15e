"""What a judge said, as lines for a person."""

from collections.abc import Iterator

from steerlm_jobs.contract.evaluation import JudgeFigures
from steerlm_operator.cli.steering import interval


def judge_lines(judge: JudgeFigures) -> Iterator[str]:
    """Yield a line for each model that the final one was compared with, and one for the price."""
    for pair in judge.pairs:
        yield (
            f"judge {judge.model}, against {pair.opponent}: {pair.wins} wins, {pair.losses} losses,"
            f" {pair.ties} ties, win rate {interval(pair.win_rate)}, {pair.not_judged} not judged"
        )
    cost = "" if judge.cost is None else f", cost {judge.cost:.4g}"
    yield f"judge {judge.model}: {judge.num_requests} requests{cost}"
