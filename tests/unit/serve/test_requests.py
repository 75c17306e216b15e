"""The body of a chat request: what is read, and what is refused with what to do."""

import json

import pytest

from steerlm_jobs.data.conversations import Role, Turn
from steerlm_jobs.serve.problems import RequestRefusedError, error_body
from steerlm_jobs.serve.requests import ChatRequest, chat_request

HI = [{"role": "user", "content": "Hi"}]


def read(**body):
    return chat_request(json.dumps({"messages": HI, **body}).encode(), "m")


def test_a_bare_request_leaves_all_to_the_model():
    assert read() == ChatRequest((Turn(Role.USER, "Hi"),), None, {}, None, 0.0, None)


def test_all_that_may_be_asked_for_is_read():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
        {"role": "assistant", "content": "C", "attributes": {"humor": 1}},
        {"role": "user", "content": " D\n"},
    ]
    wishes = {"attributes": {"humor": 4}, "max_tokens": 7, "temperature": 0.5, "seed": 3}
    turns = (Turn(Role.USER, "AB"), Turn(Role.ASSISTANT, "C", {"humor": 1}), Turn(Role.USER, "D"))
    asked = read(messages=messages, model="m", **wishes)
    assert asked == ChatRequest(turns, "Be brief.", {"humor": 4}, 7, 0.5, 3)
    assert asked.conversation("S").system == "Be brief."
    assert read().conversation("S").system == "S"


def test_what_clients_send_along_and_means_nothing_is_no_reason_to_refuse():
    assert read(n=1, top_p=1.0, stop=None, user="u", stream=False, logit_bias={}) == read()


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"stream": True}, "stream", "does not stream; leave stream out"),
        ({"n": 2}, "n", "n 2 is not supported; leave it out"),
        ({"top_q": 1}, "top_q", "top_q is not supported; leave it out"),
        ({"model": "other"}, "model", "no model 'other' here, only 'm'"),
        ({"max_tokens": 0}, "max_tokens", "at least 1"),
        ({"max_tokens": "7"}, "max_tokens", "must be a whole number, not '7'"),
        ({"temperature": 3}, "temperature", "from 0 (greedy) to 2"),
        ({"attributes": ["humor"]}, "attributes", '{"humor": 4} say'),
        ({"attributes": {"humor": 1.5}}, "attributes.humor", "must be a whole number, not 1.5"),
        ({"attributes": {"humor": True}}, "attributes.humor", "must be a whole number"),
        ({"messages": []}, "messages", "at least one message"),
        ({"messages": ["Hi"]}, "messages[0]", "an object with role and content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "no role 'tool'"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", "not empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
            "must be text",
        ),
        (
            {
                "messages": [
                    *HI,
                    {"role": "assistant", "content": "x", "attributes": {"humor": "4"}},
                ]
            },
            "messages[1].attributes.humor",
            "must be a whole number, not '4'",
        ),
        (
            {"messages": [{**HI[0], "attributes": {"humor": 4}}]},
            "messages[0].attributes",
            "says how an answer was; a user message has none",
        ),
        ({"messages": [*HI, *HI]}, "messages[1]", "the role must be assistant here"),
        (
            {"messages": [*HI, {"role": "system", "content": "x"}]},
            "messages[1]",
            "a system message must be the first one",
        ),
        (
            {"messages": [*HI, {"role": "assistant", "content": "x"}]},
            "messages",
            "the last message must be the user's",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_what_to_do(body, field, message):
    with pytest.raises(RequestRefusedError) as caught:
        read(**body)
    error = error_body(caught.value)["error"]
    assert (error["param"], error["type"]) == (field, "invalid_request_error")
    assert message in error["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b""])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(RequestRefusedError, match="send"):
        chat_request(body, "m")
