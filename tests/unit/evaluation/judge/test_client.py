"""The client and the loop around it, against a real HTTP server that misbehaves on command."""

import itertools
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.evaluation.judge.client import (
    ChatClient,
    Endpoint,
    RefusedError,
    Reply,
    UnavailableError,
    retry_after,
)
from steerlm_jobs.evaluation.judge.comparisons import NotJudged, Side
from steerlm_jobs.evaluation.judge.costs import Budget, Prices, Usage
from steerlm_jobs.evaluation.judge.judging import Judge
from steerlm_jobs.evaluation.judge.keys import judge_key
from tests.unit.evaluation.judge.builders import KEY, Answer, a_comparison, a_stand_in, said

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

MESSAGES = ({"role": "user", "content": "Why?"},)
NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def prefers_good(_number: int, body: dict) -> Answer:
    """Judge by content, with a liking for whoever stands first."""
    text = body["messages"][1]["content"]
    return said("[[9, 4]]" if text.index("GOOD") < text.index("BAD") else "[[6, 9]]")


def test_both_orders_are_asked_and_averaged():
    with a_stand_in(prefers_good) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = judge.judgement(a_comparison())
    assert found.scores == {Side.FINAL: 9.0, Side.OTHER: 5.0}
    assert found.usage == judge.spent == Usage(2, 200, 20)
    assert found.replies == ("[[9, 4]]", "[[6, 9]]")
    assert there.paths == ["/v1/chat/completions"] * 2
    assert {(b["model"], b["temperature"], b["max_tokens"]) for b in there.bodies} == {
        ("judge-1", 0, 2048)
    }
    assert not any("Authorization" in headers for headers in there.headers)


def test_too_many_requests_are_asked_again_when_the_server_says():
    answers = [Answer(429, headers={"Retry-After": "7"}), Answer(503), said("[[1, 2]]")]
    with a_stand_in(lambda n, _: answers[n]) as there:
        assert there.client().ask(MESSAGES) == Reply("[[1, 2]]", Usage(1, 100, 10))
    assert there.waited == [7.0, 2.0]


def test_a_server_that_stays_broken_is_unavailable_after_growing_waits():
    with (
        a_stand_in(lambda *_: Answer(500, b"oh")) as there,
        pytest.raises(UnavailableError, match="HTTP 500"),
    ):
        there.client().ask(MESSAGES)
    assert there.waited == [1.0, 2.0, 4.0, 8.0]


def test_a_wait_of_an_hour_is_not_worth_it():
    busy = Answer(429, headers={"Retry-After": "3600"})
    with a_stand_in(lambda *_: busy) as there, pytest.raises(UnavailableError, match="HTTP 429"):
        there.client().ask(MESSAGES)
    assert there.waited == []


def test_a_server_that_says_nothing_times_out():
    is_over = threading.Event()

    def hang(_number: int, _body: dict) -> Answer:
        is_over.wait(30)
        return said("too late")

    with a_stand_in(hang) as there:
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            there.client(timeout_seconds=0.05).ask(MESSAGES)
        is_over.set()
    assert len(there.bodies) == 5


def test_nobody_there_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        client = ChatClient(Endpoint(f"http://127.0.0.1:{port}/v1", "m"), wait=lambda _: None)
        with pytest.raises(UnavailableError, match="ConnectError"):
            client.ask(MESSAGES)


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_a_wrong_address_or_key_ends_at_once_without_repeating_what_the_server_said(status):
    said_by_server = Answer(status, f"no such key {KEY}".encode(), {"Location": "http://evil/"})
    with a_stand_in(lambda *_: said_by_server) as there:
        with pytest.raises(BadConfigError, match=f"HTTP {status}; check") as raised:
            there.client(key=KEY).ask(MESSAGES)
        assert KEY not in str(raised.value)
    assert len(there.bodies) == 1


def test_models_that_know_the_limit_by_its_newer_name_are_asked_by_it():
    def answer(_number: int, body: dict) -> Answer:
        return Answer(400) if "max_tokens" in body else said("[[1, 2]]")

    with a_stand_in(answer) as there:
        client = there.client()
        client.ask(MESSAGES)
        client.ask(MESSAGES)
    names = ["max_tokens", "max_completion_tokens"]
    assert [[n for n in names if n in b] for b in there.bodies] == [names[:1], names[1:], names[1:]]


def test_a_request_that_is_refused_is_one_comparison_not_judged():
    def answer(_number: int, body: dict) -> Answer:
        return Answer(400) if "LONG" in str(body) else prefers_good(0, body)

    with a_stand_in(answer) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = [
            judge.judgement(one) for one in [a_comparison("1", "GOOD LONG"), a_comparison("2")]
        ]
        with pytest.raises(RefusedError, match="HTTP 400"):
            there.client().ask(({"role": "user", "content": "LONG"},))
    assert [f.cause for f in found] == [NotJudged.REFUSED, None]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}']
)
def test_an_answer_that_is_none_is_unreadable_and_not_asked_for_again(body):
    with a_stand_in(lambda *_: Answer(200, body)) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = judge.judgement(a_comparison())
    assert (found.cause, found.scores) == (NotJudged.UNREADABLE, None)
    assert found.usage.is_estimated
    assert len(there.bodies) == 2


def test_a_malformed_verdict_costs_and_does_not_count():
    with a_stand_in(lambda *_: said("I like both.")) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = judge.judgement(a_comparison())
    assert (found.cause, found.usage) == (NotJudged.UNREADABLE, Usage(2, 200, 20))


def test_tokens_that_nobody_counted_are_bytes():
    with a_stand_in(lambda *_: said("[[1, 2]]", usage=None)) as there:
        reply = there.client().ask(MESSAGES)
    assert reply.usage == Usage(1, 20, 8, is_estimated=True)


def test_the_cost_cap_is_never_passed_and_the_rest_is_not_judged():
    prices = Prices(per_million_input_tokens=1000.0, per_million_output_tokens=1000.0)
    many = [a_comparison(str(n)) for n in range(20)]
    with a_stand_in(lambda *_: said("[[9, 4]]", usage=(900, 900))) as there:
        judge = Judge(there.client(), "Pair", Budget(prices, max_cost=20.0))
        found = [judge.judgement(one) for one in many]
    judged = [f for f in found if f.cause is None]
    assert 0 < len(judged) < 20
    assert {f.cause for f in found[len(judged) :]} == {NotJudged.COST_CAP}
    assert len(there.bodies) == 2 * len(judged)
    assert 20.0 - 8.0 < prices.cost(judge.spent) <= 20.0


def test_what_an_earlier_attempt_spent_counts():
    with a_stand_in(prefers_good) as there:
        budget = Budget(Prices(1000.0, 1000.0), max_cost=20.0)
        judge = Judge(there.client(), "Pair", budget, spent=Usage(9, 10_000, 9_000))
        found = judge.judgement(a_comparison())
    assert (found.cause, there.bodies) == (NotJudged.COST_CAP, [])


def test_a_judge_that_is_gone_is_asked_no_more():
    many = [a_comparison(str(n)) for n in range(9)]
    with a_stand_in(lambda *_: Answer(503)) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = [judge.judgement(one) for one in many]
    assert [f.cause for f in found] == [NotJudged.UNAVAILABLE] * 9
    assert len(there.bodies) == 3 * 5


def test_a_pause_of_the_judge_loses_only_what_it_was_asked_then():
    answers = itertools.chain([Answer(503)] * 5, itertools.repeat(said("[[9, 4]]")))
    with a_stand_in(lambda *_: next(answers)) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = [judge.judgement(one) for one in [a_comparison("1"), a_comparison("2")]]
    assert [f.cause for f in found] == [NotJudged.UNAVAILABLE, None]


def test_a_comparison_without_answers_costs_nothing():
    nothing = a_comparison()
    nothing = type(nothing)(nothing.prompt_id, nothing.opponent, {})
    with a_stand_in(prefers_good) as there:
        judge = Judge(there.client(), "Pair", Budget())
        found = judge.judgement(nothing)
    assert (found.cause, there.bodies) == (NotJudged.NO_ANSWER, [])


def test_the_key_goes_into_one_header_and_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    with a_stand_in(prefers_good) as there:
        client = there.client(key=KEY)
        judge = Judge(client, "Pair", Budget())
        found = judge.judgement(a_comparison())
        shown = [repr(client), repr(judge), repr(found), repr(Endpoint("u", "m", KEY)), caplog.text]
    assert {h["Authorization"] for h in there.headers} == {f"Bearer {KEY}"}
    assert KEY not in str(found.to_json()) + str(there.bodies) + "".join(shown)


def test_a_server_that_repeats_the_key_finds_it_cut_out():
    with a_stand_in(lambda *_: said(f"You are {KEY}. [[1, 2]]")) as there:
        assert there.client(key=KEY).ask(MESSAGES).text == "You are (key). [[1, 2]]"


def test_an_answer_that_cannot_be_unpacked_is_asked_for_again():
    broken = Answer(200, b"no gzip", {"Content-Encoding": "gzip"})
    answers = [broken, said("[[1, 2]]")]
    with a_stand_in(lambda n, _: answers[n]) as there:
        assert there.client().ask(MESSAGES).text == "[[1, 2]]"


def test_an_address_that_is_none_is_a_config_error():
    client = ChatClient(Endpoint("http://[::1", "m"), wait=lambda _: None)
    with pytest.raises(BadConfigError, match=r"no address; check .*endpointUrl"):
        client.ask(MESSAGES)


def test_a_key_comes_from_a_mounted_secret_or_the_environment(tmp_path):
    mounted = {"STEERLM_JUDGE_KEY_DIR": str(tmp_path)}
    with pytest.raises(BadConfigError, match="apiKey: cannot be read"):
        judge_key("other", mounted)
    (tmp_path / "apiKey").write_text(f"{KEY}\n")
    assert judge_key("my-judge.key", mounted) == KEY
    assert judge_key("my-judge.key", {"MY_JUDGE_KEY": KEY}) == KEY
    assert judge_key("other", {"STEERLM_JUDGE_KEY_DIR": str(tmp_path / "no"), "OTHER": KEY}) == KEY
    assert judge_key("", {}) == ""
    with pytest.raises(BadConfigError, match="set the environment variable OTHER_NAME"):
        judge_key("other-name", {})


@pytest.mark.parametrize("text", ["", " ", f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}é", f"{KEY}\0"])
def test_a_key_that_is_no_header_value_is_refused_without_quoting_it(text):
    with pytest.raises(BadConfigError, match="K: no key: it must be one word") as raised:
        judge_key("k", {"K": text})
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_the_server_may_name_seconds_or_a_time(header, seconds):
    assert retry_after(header, NOW) == seconds
