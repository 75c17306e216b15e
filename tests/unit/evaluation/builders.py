"""Values for the tests of evaluation, annotation and sampling."""

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.conversations import Conversation, Role, Turn

SCHEMA = Schema((Attribute(name="quality"), Attribute(name="humor", min=0, max=2)))


def a_conversation(*texts, labels=(), **fields):
    """Return a conversation of alternating turns; `labels` are those of its answers, in order."""
    remaining = iter(labels)
    turns = tuple(
        Turn(Role.ASSISTANT, text, labels=next(remaining, {})) if i % 2 else Turn(Role.USER, text)
        for i, text in enumerate(texts)
    )
    defaults = {"id": "c1", "source": "s", "group": "g", "system": "S"}
    return Conversation(**(defaults | fields), turns=turns)
