"""Conversations and tokenizers for the tests of the template. No torch."""

from functools import cache

from tokenizers import AddedToken, Tokenizer

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.template import MARKERS
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.tiny_tokenizer import train_tokenizer

SCHEMA = Schema((Attribute(name="quality"), Attribute(name="humor", min=-1, max=9)))
TARGETS = {"quality": 4, "humor": 0}
TEXTS = (
    "User\nWhy is the sky blue?\nAssistant\nBlue light is scattered most.\n",
    "User\nAnd at dusk?\nAssistant\nThe way is longer, so red is left over.\n",
) * 8


def user(text: str) -> Turn:
    return Turn(Role.USER, text)


def assistant(text: str, **labels: int) -> Turn:
    return Turn(Role.ASSISTANT, text, labels=labels)


def a_conversation(*turns: Turn, system: str = "Be helpful.") -> Conversation:
    return Conversation("c", "s", "g", system, turns)


THREE_TURNS = a_conversation(
    user("Why is the sky blue?"),
    assistant("Blue light is scattered most.", quality=3, humor=2),
    user("And at dusk?"),
    assistant("The way is longer:\nred is left over."),
    user("Thanks!"),
    assistant("You are welcome.", humor=9),
)


def messages_of(conversation, *, names_system=True):
    """Return a conversation as chat templates take it; labels are `attributes` of a message."""
    messages = [{"role": "system", "content": conversation.system}] if names_system else []
    for turn in conversation.turns:
        message = {"role": turn.role.value.lower(), "content": turn.text}
        messages.append({**message, "attributes": dict(turn.labels)} if turn.labels else message)
    return messages


@cache
def a_backend() -> Tokenizer:
    """Return the tiny model's tokenizer with markers."""
    tokenizer = train_tokenizer(TEXTS, 400)
    return with_markers(tokenizer)


def with_markers(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(m, special=True, normalized=False) for m in MARKERS])
    return tokenizer


@cache
def a_tokenizer() -> ChatTokenizer:
    return ChatTokenizer(a_backend(), eos_ids=(2,))
