"""evaluate with a judge: a stand-in chat endpoint, models with random weights."""

import json
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadConfigError, InterruptedStageError
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.contract.recipes import EvaluateRecipe, JudgeRule
from steerlm_jobs.evaluation.judge.comparisons import Judgement
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.stages import evaluate
from steerlm_jobs.store.jsonl import read_jsonl
from tests.slow.tiny_run import TARGETS, TinyRun, a_conversation, content
from tests.unit.evaluation.judge.builders import KEY, Answer, a_stand_in, said

pytestmark = pytest.mark.slow

PROMPTS = [
    a_conversation("p0", "First?", follow_ups=("Second?",)),
    a_conversation("p1", "Alone?"),
    a_conversation("p2", "Another?", follow_ups=("And then?",)),
]
NUM_REQUESTS = 2 * (2 + 1 + 2)  # both orders of every turn
REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("JUDGE_KEY", KEY)


def a_run(folder, url, prompts=PROMPTS, attempt=1, **fields):
    run = TinyRun(folder)
    rule = JudgeRule(endpoint_url=url, model="judge-1", input_price=1.0, output_price=2.0)
    recipe = EvaluateRecipe(
        prompts_per_level=len(prompts),
        max_new_tokens=12,
        max_length_tokens=200,
        targets=TARGETS,
        judge=rule.model_copy(update=fields),
    )
    acsft = (run.acsft(), run.acsft(1, seed=1))
    inputs = (run.prepared((), prompts), run.apm(), run.annotated(), *acsft)
    execution = {"judge_secret_name": "judge-key", "attempt": attempt}
    return run, run.config("evaluate", recipe, inputs, **execution)


def first_is_best(_number: int, _body: dict) -> Answer:
    return said("The first is better. [[8, 5]]")


def figures(run, config, digest):
    source = run.as_input(config, digest)
    found = Evaluation.model_validate_json(content(source, "metrics.json").read_text())
    rows = read_jsonl(content(source, "judgements.jsonl"))
    return found, [Judgement.from_json(row) for row in rows]


def test_the_judge_sees_every_turn_in_both_orders_and_stands_in_the_figures(tmp_path):
    with a_stand_in(first_is_best) as there:
        run, config = a_run(tmp_path, there.url)
        found, judgements = figures(run, config, evaluate.run(run.context(config)).digest)
    assert found.judge is not None
    (pair,) = found.judge.pairs
    assert (pair.opponent, pair.wins, pair.losses, pair.ties) == ("train-acsft", 0, 0, 3)
    assert pair.win_rate.value == 0.5
    assert (found.judge.num_requests, len(there.bodies)) == (NUM_REQUESTS, NUM_REQUESTS)
    assert found.judge.cost == round((100 * 1.0 + 10 * 2.0) * NUM_REQUESTS / 1e6, 6)
    assert {j.prompt_id for j in judgements} == {"p0", "p1", "p2"}
    shown = [body["messages"][1]["content"] for body in there.bodies]
    assert sum("Second?" in text for text in shown) == 2
    assert sum(text.count("First?") == 2 for text in shown) == 4
    assert KEY not in "".join(
        file.read_bytes().decode(errors="replace") for file in tmp_path.rglob("*") if file.is_file()
    )


class StopOnceAsked(StopFlag):
    """A wish to stop that comes when the judge has been asked so many times."""

    def __init__(self, bodies: list[dict], num_asked: int):
        super().__init__()
        self.bodies, self.num_asked = bodies, num_asked

    def raise_if_set(self):
        if len(self.bodies) >= self.num_asked:
            raise InterruptedStageError("stopped by a test")


def test_a_killed_evaluation_pays_for_no_verdict_twice(tmp_path):
    with a_stand_in(first_is_best) as there:
        run, config = a_run(tmp_path / "a", there.url)
        undisturbed = evaluate.run(run.context(config)).digest
        there.bodies.clear()
        for attempt, num_asked in ((1, 1), (2, 5)):
            run, config = a_run(tmp_path / "b", there.url, attempt=attempt)
            with pytest.raises(InterruptedStageError):
                evaluate.run(run.context(config, StopOnceAsked(there.bodies, num_asked)))
        run, config = a_run(tmp_path / "b", there.url, attempt=3)
        assert evaluate.run(run.context(config)).digest == undisturbed
    assert len(there.bodies) == NUM_REQUESTS


def replies_paid(there):
    return sum(status == 200 for status in there.statuses)


@pytest.mark.parametrize(("status", "error"), [(401, BadConfigError), (429, InterruptedStageError)])
def test_an_end_between_two_requests_of_a_comparison_pays_for_no_reply_twice(
    tmp_path, status, error
):
    """A key that is withdrawn; a wish to stop while a busy endpoint is waited for."""

    def second_fails(number: int, body: dict) -> Answer:
        return Answer(status) if number == 1 else first_is_best(number, body)

    with a_stand_in(first_is_best) as there:
        run, config = a_run(tmp_path / "a", there.url)
        undisturbed = evaluate.run(run.context(config)).digest
    with a_stand_in(second_fails) as there:
        run, config = a_run(tmp_path / "b", there.url)
        stop = StopOnceAsked(there.bodies, 2)
        with pytest.raises(error):
            evaluate.run(run.context(config, stop if status == 429 else None))
        assert there.statuses == [200, status]
        run, config = a_run(tmp_path / "b", there.url, attempt=2)
        assert evaluate.run(run.context(config)).digest == undisturbed
    assert replies_paid(there) == NUM_REQUESTS


def test_what_was_unavailable_before_a_kill_is_judged_by_the_next_attempt(tmp_path):
    def second_is_away(number: int, body: dict) -> Answer:
        away = Answer(503, headers={"Retry-After": "9999"})
        return away if number == 1 else first_is_best(number, body)

    with a_stand_in(first_is_best) as there:
        run, config = a_run(tmp_path / "a", there.url)
        undisturbed = evaluate.run(run.context(config)).digest
    with a_stand_in(second_is_away) as there:
        run, config = a_run(tmp_path / "b", there.url)
        with pytest.raises(InterruptedStageError):
            evaluate.run(run.context(config, StopOnceAsked(there.bodies, 4)))
        run, config = a_run(tmp_path / "b", there.url, attempt=2)
        assert evaluate.run(run.context(config)).digest == undisturbed
    assert replies_paid(there) == NUM_REQUESTS


def test_what_the_money_is_not_enough_for_is_said(tmp_path):
    with a_stand_in(first_is_best) as there:
        run, config = a_run(tmp_path, there.url, max_cost=0.015)
        context = run.context(config)
        found, judgements = figures(run, config, evaluate.run(context).digest)
    assert found.judge is not None
    (pair,) = found.judge.pairs
    assert pair.not_judged_causes == {"costCap": pair.not_judged}
    assert 0 < pair.not_judged < 3
    assert len(judgements) == 3
    assert any("were not judged" in line for line in context.notes.lines)


def test_a_missing_key_ends_before_an_answer_is_made(tmp_path, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY")
    run, config = a_run(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(BadConfigError, match="set the environment variable JUDGE_KEY"):
        evaluate.run(run.context(config))
    assert not list(tmp_path.glob("evaluate/*/chunks"))


@pytest.mark.parametrize(
    ("name", "num_turns"), [("vicuna_80_prompts.jsonl", 1), ("mt_bench_80_prompts.jsonl", 2)]
)
def test_the_80_questions_of_both_benchmarks_are_judged(tmp_path, name, num_turns):
    file = REAL / name
    if not file.exists():
        pytest.skip(f"{name} of ../shared/data is not here")
    prompts = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        first, *later = json.loads(line)["turns"]
        prompts.append(a_conversation(f"p{number}", first, follow_ups=tuple(later)))
    with a_stand_in(lambda *_: said("As good as any. [[7]]")) as there:
        run, config = a_run(tmp_path, there.url, prompts, form="Single")
        config = config.model_copy(
            update={"recipe": config.recipe.model_copy(update={"max_length_tokens": 2048})}
        )
        found, _ = figures(run, config, evaluate.run(run.context(config)).digest)
    assert found.judge is not None
    (pair,) = found.judge.pairs
    assert pair.ties + pair.not_judged_causes.get("noAnswer", 0) == 80  # too long for a tiny model
    assert pair.ties >= 60
    assert len(there.bodies) == pair.ties * 2 * num_turns
