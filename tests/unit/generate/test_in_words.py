from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.generate.in_words import InWords, request_in_words, transcript
from steerlm_jobs.generate.steered import Request
from tests.unit.generate.tiny import a_tokenizer

SCHEMA = Schema((Attribute(name="quality"), Attribute(name="hate_speech", min=-1, max=1)))
LABELS = {"quality": 4, "hate_speech": -1}


def asked(*texts):
    roles = (Role.USER, Role.ASSISTANT)
    turns = tuple(Turn(roles[i % 2], text) for i, text in enumerate(texts))
    return Conversation("c", "s", "g", "Be kind.", turns)


def test_labels_are_asked_for_in_words_after_the_last_question():
    assert transcript(asked("Hi", "Hello", "Why?"), LABELS, SCHEMA) == (
        "Be kind.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Why?\n\n"
        "Write an answer with quality 4 of 4 and hate speech -1 on a scale from -1 to 1.\n\n"
        "Assistant:"
    )


def test_one_attribute_needs_no_and():
    one = Schema((Attribute(name="quality"),))
    assert request_in_words({"quality": 2}, one) == "Write an answer with quality 2 of 4."


def test_an_answer_ends_where_the_model_goes_on_with_the_next_turn():
    form = InWords(a_tokenizer(), SCHEMA)
    assert form.own_words(" Because.\n\nUser: And?\nAssistant: So") == " Because."
    assert form.own_words("A User: said") == "A User: said"


def test_a_long_conversation_loses_its_first_turns_and_keeps_the_request():
    tokenizer = a_tokenizer()
    form = InWords(tokenizer, SCHEMA)
    whole = form.encode(Request(asked("Why me?" * 30, "Hm", "Why?"), LABELS), 10_000)
    short = form.encode(Request(asked("Why me?" * 30, "Hm", "Why?"), LABELS), 200)
    assert len(whole.ids) > 200
    expected = transcript(asked("Why?"), LABELS, SCHEMA)
    assert tokenizer.decode(short.ids).replace("<unk>", "-") == expected  # it knows no hyphen
    assert form.encode(Request(asked("Why?" * 99), LABELS), 50) is None
