from dataclasses import replace
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.chat_template import chat_template, scoring_chat_template
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_backend,
    a_conversation,
    a_tokenizer,
    messages_of,
    user,
)

ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True,  # as Transformers sets it
    lstrip_blocks=True,
    autoescape=False,  # it makes text, not a page
)
TEMPLATE = chat_template(SCHEMA, TARGETS, system="Be helpful.", adds_bos=True)
GOLDEN = Path(__file__).parents[2] / "golden" / "template"


def text_of(conversation, *, template=TEMPLATE, names_system=True, **variables) -> str:
    messages = messages_of(conversation, names_system=names_system)
    return ENVIRONMENT.from_string(template).render(messages=messages, bos_token="<s>", **variables)


def rendered(conversation, **variables) -> list[int]:
    return a_backend().encode(text_of(conversation, **variables), add_special_tokens=False).ids


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


def test_three_turns_have_the_golden_text_of_every_form():
    """One conversation for training, sampling, evaluation, asking and those who have Jinja only."""
    golden = {name: (GOLDEN / f"{name}.txt").read_bytes().decode() for name in FORMS}
    asking = a_conversation(*THREE_TURNS.turns[:5])
    asked = {"quality": 1, "humor": -1}
    scored = a_conversation(*THREE_TURNS.turns[:4])
    scoring = scoring_chat_template(system="", adds_bos=True)
    assert {
        "training": text_of(THREE_TURNS),
        "prompt": text_of(asking, add_generation_prompt=True, attributes=asked),
        "scoring": text_of(scored, template=scoring),
    } == {name: f"<s>{text}" for name, text in golden.items()}


FORMS = ("training", "prompt", "scoring")


def test_a_scored_answer_has_our_ids():
    scored = a_conversation(*THREE_TURNS.turns[:4])
    ours = a_tokenizer().encode_scoring(THREE_TURNS, 3, 4096)
    template = scoring_chat_template(system="", adds_bos=True)
    assert rendered(scored, template=template) == list(ours.ids)


@pytest.mark.parametrize(
    "system", ['Say "hi" %} {{ x }} \\n', "Sei h\u00f6flich \U0001f600\nimmer"]
)
def test_any_system_prompt_stands_in_the_template_as_it_is(system):
    asking = replace(a_conversation(user("Why?")), system=system)
    template = chat_template(SCHEMA, TARGETS, system=system, adds_bos=True)
    own = text_of(asking, template=template, names_system=False)
    assert own == text_of(asking)
    assert system in own


def test_a_model_of_plain_answers_has_no_label_lines():
    plain = Schema(())
    asking = a_conversation(*THREE_TURNS.turns[:5])
    ours = a_tokenizer().encode_prompt(asking, {}, plain, 4096)
    template = chat_template(plain, {}, system="Be helpful.", adds_bos=True)
    assert rendered(asking, template=template, add_generation_prompt=True) == list(ours.ids)
    whole = a_tokenizer().encode_training(THREE_TURNS, plain, {}, 4096)
    assert rendered(THREE_TURNS, template=template) == list(whole.ids)
