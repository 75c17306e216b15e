from dataclasses import replace

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from steerlm_jobs.data.chat_template import chat_template
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_backend,
    a_conversation,
    a_tokenizer,
    user,
)

ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True,  # as Transformers sets it
    lstrip_blocks=True,
    autoescape=False,  # it makes text, not a page
)


def rendered(conversation, *, names_system=True, **variables) -> list[int]:
    template = chat_template(SCHEMA, TARGETS, system="Be helpful.", adds_bos=True)
    messages = [{"role": "system", "content": conversation.system}] if names_system else []
    for turn in conversation.turns:
        message = {"role": turn.role.value.lower(), "content": turn.text}
        messages.append({**message, "attributes": dict(turn.labels)} if turn.labels else message)
    text = ENVIRONMENT.from_string(template).render(messages=messages, bos_token="<s>", **variables)
    return a_backend().encode(text, add_special_tokens=False).ids


def test_a_whole_conversation_has_our_ids():
    ours = a_tokenizer().encode_training(THREE_TURNS, SCHEMA, TARGETS, 4096)
    assert rendered(THREE_TURNS) == list(ours.ids)


@pytest.mark.parametrize("asked", [{}, {"humor": 7}, {"quality": 0, "humor": -1}])
def test_a_prompt_has_our_ids_and_targets_where_nothing_is_asked(asked):
    asking = a_conversation(*THREE_TURNS.turns[:5])
    ours = a_tokenizer().encode_prompt(asking, {**TARGETS, **asked}, SCHEMA, 4096)
    assert rendered(asking, add_generation_prompt=True, attributes=asked) == list(ours.ids)


def test_without_a_system_message_it_is_the_models_own():
    asking = a_conversation(user("Why?"))
    other = replace(asking, system="")
    assert rendered(other, names_system=False, add_generation_prompt=True) == rendered(
        asking, add_generation_prompt=True
    )
