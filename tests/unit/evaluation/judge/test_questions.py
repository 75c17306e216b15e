"""What the judge is asked, how its replies are read, what they cost and how they count."""

import json

import pytest

from steerlm_jobs.contract.evaluation import JudgedPair, JudgeFigures
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.recipes import JudgeRule
from steerlm_jobs.evaluation.judge.comparisons import Judgement, NotJudged, Side
from steerlm_jobs.evaluation.judge.costs import Budget, Prices, Usage, most_tokens
from steerlm_jobs.evaluation.judge.dialogues import comparisons, question_text
from steerlm_jobs.evaluation.judge.questions import questions_of
from steerlm_jobs.evaluation.judge.tally import judge_figures, judge_warnings
from steerlm_jobs.evaluation.judge.verdicts import averaged, read_verdict
from tests.unit.evaluation.builders import a_conversation
from tests.unit.evaluation.judge.builders import (
    a_comparison,
    a_dialogue_of_two_turns,
    a_judgement,
)

RULE = JudgeRule(endpoint_url="http://judge/v1", model="judge-1")
PRICED = RULE.model_copy(update={"input_price": 10.0, "output_price": 100.0})


def user_texts(questions):
    return [q.messages[1]["content"] for q in questions]


def test_a_pair_is_asked_in_both_orders_and_differs_in_nothing_else():
    one, two = questions_of(a_comparison(), "Pair")
    assert (one.sides, two.sides) == ((Side.FINAL, Side.OTHER), (Side.OTHER, Side.FINAL))
    first, second = user_texts((one, two))
    assert first.index("GOOD") < first.index("BAD")
    assert first.replace("GOOD", "x").replace("BAD", "GOOD").replace("x", "BAD") == second
    assert one.messages[0] == two.messages[0]


def test_of_two_turns_each_is_judged_with_what_was_said_before_it():
    questions = questions_of(a_dialogue_of_two_turns(), "Pair")
    shown = [
        [word for word in ("F1", "F2", "O1", "O2") if word in t] for t in user_texts(questions)
    ]
    assert shown == [["F1", "O1"], ["F1", "O1"], ["F1", "F2", "O1", "O2"], ["F1", "F2", "O1", "O2"]]


def test_the_single_form_shows_one_answer_at_a_time():
    questions = questions_of(a_dialogue_of_two_turns(), "Single")
    assert [q.sides for q in questions] == [(Side.FINAL,), (Side.OTHER,)] * 2
    shown = [
        [word for word in ("F1", "F2", "O1", "O2") if word in t] for t in user_texts(questions)
    ]
    assert shown == [["F1"], ["O1"], ["F1", "F2"], ["O1", "O2"]]


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("A is right.\n[[8, 3]]", (8.0, 3.0)),
        ("As [[7, 4]] was the example: [[ 9.5 ,10 ]]", (9.5, 10.0)),
        ("[[8]]", None),
        ("8, 3", None),
        ("[[0, 3]]", None),
        ("[[8, 11]]", None),
        ("[[A]]", None),
        ("", None),
    ],
)
def test_the_last_scores_of_the_form_that_was_asked_for_are_read(reply, scores):
    assert read_verdict(reply, 2) == scores


def test_scores_are_averaged_over_orders_so_that_standing_first_gains_nothing():
    questions = questions_of(a_comparison(), "Pair")
    biased = ["[[9, 5]]", "[[9, 5]]"]
    assert averaged(questions, biased) == {Side.FINAL: 7.0, Side.OTHER: 7.0}
    assert averaged(questions, ["[[9, 5]]", "[[4, 8]]"]) == {Side.FINAL: 8.5, Side.OTHER: 4.5}


def test_one_order_alone_does_not_count():
    assert averaged(questions_of(a_comparison(), "Pair"), ["[[9, 5]]", "both are fine"]) is None


def test_the_same_prompts_meet_all_models_in_an_order_of_chance():
    prompts = [a_conversation(f"q{n}", id=f"p{n}") for n in range(20)]
    answers = {name: [(name,)] * 20 for name in ("final", "before", "plain")}
    found = comparisons(prompts, answers, seed=1)
    ids = [c.prompt_id for c in found]
    assert [c.opponent for c in found] == ["before", "plain"] * 20
    assert ids[::2] == ids[1::2]
    assert ids[::2] != [p.id for p in prompts]
    assert sorted(ids[::2]) == sorted(p.id for p in prompts)
    assert found == comparisons(prompts, answers, seed=1)


def test_a_prompt_that_a_model_was_not_asked_is_compared_with_nothing():
    (found,) = comparisons([a_conversation("q")], {"final": [("a",)], "before": [None]}, seed=1)
    assert found.dialogues == {}


def test_follow_ups_are_questions_of_their_own_and_history_belongs_to_the_first():
    prompt = a_conversation("hello", "hi", "why?", follow_ups=("and then?",))
    assert question_text(prompt) == (
        "(said before)\n[User] hello\n[Assistant] hi\n(now asked)\nwhy?"
    )
    answers = {"final": [("f1", "f2")], "before": [("b1", "b2")]}
    (found,) = comparisons([prompt], answers, seed=1)
    assert found.dialogues[Side.FINAL].questions == (question_text(prompt), "and then?")
    assert found.dialogues[Side.OTHER].answers == ("b1", "b2")


def test_the_budget_counts_a_byte_as_a_token_before_it_asks():
    messages = ({"role": "user", "content": "é" * 50},)
    assert most_tokens(messages, 10) == Usage(1, 116, 10, is_estimated=True)
    budget = Budget(Prices(1e6, 1e6), max_cost=200)
    assert budget.allows(Usage(1, 50, 24), most_tokens(messages, 10))
    assert not budget.allows(Usage(1, 50, 25), most_tokens(messages, 10))
    assert Budget().allows(Usage(9, 10**9, 10**9), Usage())


def test_wins_losses_and_ties_are_counted_for_each_opponent():
    judgements = [
        a_judgement(8, 6),
        a_judgement(7, 6),
        a_judgement(5, 5),
        a_judgement(4, 6),
        a_judgement(None, cause=NotJudged.COST_CAP, usage=Usage()),
        a_judgement(3, 9, opponent="train-plain"),
    ]
    figures = judge_figures(judgements, PRICED, seed=1)
    first, second = figures.pairs
    assert figures == JudgeFigures(
        model="judge-1",
        form="Pair",
        pairs=(first, second),
        num_requests=10,
        input_tokens=500,
        output_tokens=50,
        cost=0.01,
    )
    assert first == JudgedPair(
        opponent="train-acsft",
        wins=2,
        losses=1,
        ties=1,
        not_judged=1,
        not_judged_causes={"costCap": 1},
        win_rate=first.win_rate,
        score=first.score,
        opponent_score=MetricValue(value=5.75, lower=5.25, upper=6.0),
    )
    assert first.win_rate.value == 0.625
    assert 0 <= first.win_rate.lower < 0.625 < first.win_rate.upper <= 1
    assert (second.opponent, second.wins, second.losses, second.ties) == ("train-plain", 0, 1, 0)
    assert list(judge_warnings(figures)) == [
        "judge judge-1: 1 of 5 comparisons with train-acsft were not judged (1 costCap)"
    ]


def test_nothing_judged_is_not_measurable_and_without_prices_there_is_no_cost():
    figures = judge_figures([a_judgement(None, cause=NotJudged.UNAVAILABLE)], RULE, seed=1)
    assert figures.cost is None
    assert figures.pairs[0].win_rate == MetricValue(value=None)


def test_a_judgement_survives_its_row():
    for one in (a_judgement(), a_judgement(None, cause=NotJudged.REFUSED, replies=("no",))):
        assert Judgement.from_json(json.loads(json.dumps(one.to_json()))) == one
