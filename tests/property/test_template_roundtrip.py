from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.template import (
    holds_marker,
    parse,
    prompt_segments,
    render_text,
    scoring_segments,
    training_segments,
    value_segments,
)

SCHEMA = Schema((Attribute(name="quality"), Attribute(name="humor", min=-3, max=3)))
texts = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(["User\n", "Assistant\nx", "System\n", "<extra_id_", "quality:1", "a\n\nb"])
).filter(lambda text: not holds_marker(text))
labels = st.fixed_dictionaries({"quality": st.integers(0, 4), "humor": st.integers(-3, 3)})
users = st.builds(Turn, st.just(Role.USER), texts)
answers = st.builds(Turn, st.just(Role.ASSISTANT), texts, labels)
turns = st.lists(users | answers, max_size=6).map(tuple)


def a_conversation(system: str, turns: tuple[Turn, ...]) -> Conversation:
    return Conversation("c", "s", "g", system, turns)


@given(texts, turns)
def test_a_training_text_is_read_back(system, turns):
    segments = training_segments(a_conversation(system, turns), SCHEMA, {})
    parsed = parse(render_text(segments), SCHEMA)
    assert (parsed.system, parsed.turns, parsed.asked) == (system, turns, None)


@given(texts, turns, users, labels)
def test_a_prompt_is_read_back_with_its_labels(system, turns, question, asked):
    segments = prompt_segments(a_conversation(system, (*turns, question)), asked, SCHEMA)
    parsed = parse(render_text(segments), SCHEMA)
    assert (parsed.system, parsed.turns, parsed.asked) == (system, (*turns, question), asked)


@given(texts, st.lists(users, max_size=3), texts)
def test_a_scoring_text_is_read_back(system, questions, answer):
    turns = (*questions, Turn(Role.ASSISTANT, answer))
    segments = scoring_segments(a_conversation(system, turns), len(turns) - 1)
    parsed = parse(render_text(segments), SCHEMA)
    assert (parsed.system, parsed.turns) == (system, turns)


@given(texts, st.lists(users, max_size=3), texts, labels)
def test_a_value_text_is_read_back_with_the_labels_of_its_answer(system, questions, answer, said):
    turns = (*questions, Turn(Role.ASSISTANT, answer, said))
    segments = value_segments(a_conversation(system, turns), len(turns) - 1, said, SCHEMA)
    parsed = parse(render_text(segments), SCHEMA)
    assert (parsed.system, parsed.turns, parsed.asked) == (system, turns, None)
