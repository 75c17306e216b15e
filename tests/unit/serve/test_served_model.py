"""What the model behind the server is given, and which levels callers may ask for."""

import json
from dataclasses import replace

import pytest

from steerlm_jobs.generate.generator import Generated
from steerlm_jobs.generate.steered import SteeredModel
from steerlm_jobs.serve.problems import RequestRefusedError
from steerlm_jobs.serve.requests import chat_request
from steerlm_jobs.serve.served_model import ServedModel
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_tokenizer,
    messages_of,
)

ASKING = replace(THREE_TURNS, turns=THREE_TURNS.turns[:5])


class Heard:
    """An engine that says nothing and keeps what it was given."""

    def __init__(self):
        self.prompts = []

    def generate(self, prompts, sampling, seeds):
        self.prompts += map(tuple, prompts)
        return [Generated((), is_finished=True) for _ in prompts]


def answered(messages, attributes=None, callers_may_set=("quality", "humor")):
    """Return the prompt of a request, and the labels that the answer is said to have."""
    engine = Heard()
    model = SteeredModel(engine, a_tokenizer(), SCHEMA, 1024)
    description = {"targets": TARGETS, "callersMaySet": list(callers_may_set)}
    body = json.dumps({"messages": messages, "attributes": attributes or {}}).encode()
    found = ServedModel(model, description).complete(chat_request(body, "m"))
    (prompt,) = engine.prompts
    return prompt, dict(found.labels)


def with_labels(**labels):
    messages = messages_of(ASKING)
    messages[2] = {**messages[2], "attributes": labels}
    return messages


@pytest.mark.parametrize("asked", [{}, {"humor": 7}, {"quality": 1, "humor": -1}])
def test_earlier_answers_have_their_own_labels_as_in_training_else_those_asked_for(asked):
    labels = {**TARGETS, **asked}
    ours = a_tokenizer().encode_prompt(ASKING, labels, SCHEMA, 4096)
    assert answered(messages_of(ASKING), asked) == (ours.ids, labels)
    bare = [{k: v for k, v in m.items() if k != "attributes"} for m in messages_of(ASKING)]
    assert answered(bare, asked)[0] != ours.ids


def test_what_callers_may_not_set_is_taken_at_its_target_only():
    at_target = with_labels(quality=1, humor=0)
    assert answered(at_target, {"humor": 0}, ["quality"])[1] == TARGETS
    for messages, asked in ((with_labels(humor=3), {}), (with_labels(), {"humor": 2})):
        with pytest.raises(RequestRefusedError, match="callers may not set humor") as one:
            answered(messages, asked, ["quality"])
        assert (one.value.status, one.value.field) == (422, "attributes.humor")


@pytest.mark.parametrize(
    ("labels", "problem"),
    [({"wit": 1}, "unknown attribute 'wit'"), ({"quality": 5}, "quality=5 is outside 0..4")],
)
def test_an_earlier_answers_labels_must_be_ones_that_the_model_knows(labels, problem):
    with pytest.raises(RequestRefusedError, match=problem) as caught:
        answered(with_labels(**labels))
    assert caught.value.status == 422
