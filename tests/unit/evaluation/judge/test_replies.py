"""Attempts that end in the middle of a comparison, and what the next one makes of it."""

from dataclasses import dataclass, field

import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.evaluation.judge.comparisons import NotJudged
from steerlm_jobs.evaluation.judge.costs import Budget, Prices, Usage
from steerlm_jobs.evaluation.judge.judging import Judge
from steerlm_jobs.evaluation.judge.replies import PaidReplies
from steerlm_jobs.store.chunks import ChunkStore
from tests.unit.evaluation.judge.builders import (
    Answer,
    a_comparison,
    a_dialogue_of_two_turns,
    a_stand_in,
    said,
)
from tests.unit.store.suite import a_config

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

AWAY = Answer(503, headers={"Retry-After": "9999"})
WANTED = [
    a_comparison("p1"),
    type(a_comparison())("p0", "train-acsft", {}),  # never asked
    a_comparison("p1", opponent="train-plain"),
    a_dialogue_of_two_turns(),
    a_comparison("p3"),
]
NUM_REQUESTS = 2 + 0 + 2 + 4 + 2


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@dataclass
class Attempts:
    """Attempts at one evaluation whose endpoint fails at requests that a test names."""

    folder: str
    budget: Budget = field(default_factory=Budget)

    def run(self, failures=None, wanted=WANTED):
        """Return the judgements and how many replies were paid for in this attempt."""
        failures = failures or {}
        with a_stand_in(lambda n, body: failures.get(n) or verdict(body)) as there:
            paid = PaidReplies(ChunkStore(a_config(self.folder)), wanted, "Pair")
            judge = Judge(there.client(), "Pair", self.budget, paid.spent)
            try:
                found = [judge.judgement(c, paid.of(c), paid.keep) for c in wanted]
            except BadConfigError:
                found = None
        return found, there.statuses.count(200)


def verdict(body):
    """Say what depends on the question alone."""
    text = body["messages"][1]["content"]
    return said(f"[[{1 + len(text) % 9}, {1 + sum(text.encode()) % 9}]]", usage=(len(text), 10))


@pytest.mark.parametrize("ends_at", [1, 2, 5])
def test_an_attempt_that_ends_at_any_request_loses_none_that_was_answered(tmp_path, ends_at):
    fresh, num_fresh = Attempts(str(tmp_path / "a")).run()
    attempts = Attempts(str(tmp_path / "b"))
    nothing, num_before = attempts.run({ends_at: Answer(401)})
    assert (nothing, num_before) == (None, ends_at)
    assert attempts.run() == (fresh, NUM_REQUESTS - ends_at)
    assert attempts.run() == (fresh, 0)
    assert num_fresh == NUM_REQUESTS


def test_a_second_order_without_a_reply_is_asked_alone_by_the_next_attempt(tmp_path):
    fresh, _ = Attempts(str(tmp_path / "a")).run()
    attempts = Attempts(str(tmp_path / "b"))
    found, _ = attempts.run({1: AWAY})
    assert (found[0].cause, found[0].usage.num_requests) == (NotJudged.UNAVAILABLE, 1)
    assert found[1:] == fresh[1:]
    assert attempts.run() == (fresh, 1)


def test_what_is_stored_is_judged_also_where_the_endpoint_has_gone(tmp_path):
    attempts = Attempts(str(tmp_path))
    fresh, _ = attempts.run()
    more = [a_comparison(f"gone{n}") for n in range(4)]
    found, _ = attempts.run(dict.fromkeys(range(99), AWAY), wanted=WANTED + more)
    assert found[: len(WANTED)] == fresh
    assert {one.cause for one in found[len(WANTED) :]} == {NotJudged.UNAVAILABLE}


def test_attempts_that_end_within_a_comparison_do_not_pass_the_cost_cap_together(tmp_path):
    prices = Prices(per_million_input_tokens=0.0, per_million_output_tokens=1_000_000.0)
    attempts = Attempts(str(tmp_path), Budget(prices, max_cost=2 * 2048 + 15))
    _, num_first = attempts.run({1: Answer(401)})
    found, num_second = attempts.run()
    paid = sum((one.usage for one in found), start=Usage())
    assert (num_first, num_second, prices.cost(paid)) == (1, 1, 20)
    assert {one.cause for one in found[2:]} == {NotJudged.COST_CAP}
