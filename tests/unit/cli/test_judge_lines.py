from steerlm_jobs.contract.evaluation import JudgedPair, JudgeFigures
from steerlm_jobs.contract.gates import MetricValue
from steerlm_operator.cli.judge import judge_lines

RATE = MetricValue(value=0.66, lower=0.4, upper=0.8)
PAIR = JudgedPair(
    opponent="train-acsft",
    wins=9,
    losses=4,
    ties=3,
    not_judged=2,
    win_rate=RATE,
    score=RATE,
    opponent_score=RATE,
)
JUDGE = JudgeFigures(
    model="judge-1",
    form="Pair",
    pairs=(PAIR,),
    num_requests=32,
    input_tokens=9,
    output_tokens=9,
    cost=0.25,
)


def test_the_judge_says_wins_and_what_it_took() -> None:
    assert list(judge_lines(JUDGE)) == [
        "judge judge-1, against train-acsft: 9 wins, 4 losses, 3 ties, "
        "win rate 0.66 [0.40, 0.80], 2 not judged",
        "judge judge-1: 32 requests, cost 0.25",
    ]
    free = JUDGE.model_copy(update={"cost": None, "pairs": ()})
    assert list(judge_lines(free)) == ["judge judge-1: 32 requests"]
