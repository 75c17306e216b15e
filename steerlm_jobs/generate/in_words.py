"""The base model, asked in words: what a prompt alone can do, without any training.

It has never seen the markers, so it gets a transcript in plain words, and its answer ends where it
goes on with the next turn.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.template import Segment, SegmentKind
from steerlm_jobs.data.tokens import ChatTokenizer, Encoded, fit_length
from steerlm_jobs.generate.steered import Request, SteeredModel

_NEXT_TURN: Final = re.compile(r"(?:^|\n)\s*(?:User|Assistant):")


def words_model(
    folder: Path, schema: Schema, on_token: Callable[[], None] = lambda: None
) -> SteeredModel:
    """Load the marked base model as one that is asked in words.

    Raises:
        BadConfigError: The folder holds no marked model.
    """
    form = InWords(ChatTokenizer.from_folder(folder), schema)
    return SteeredModel.load_as(form, folder, schema, on_token)


@dataclass(frozen=True, slots=True)
class InWords:
    """Requests as a transcript whose last question ends with a sentence about the labels."""

    tokenizer: ChatTokenizer
    schema: Schema

    def encode(self, request: Request, max_length_tokens: int) -> Encoded | None:
        """Return the transcript cut to a length; None: impossible."""

        def encode(shorter: Conversation) -> Encoded:
            text = transcript(shorter, request.labels, self.schema)
            return self.tokenizer.encode([Segment(SegmentKind.TEXT, text)])

        return fit_length(encode, request.prompt, max_length_tokens)

    def own_words(self, text: str) -> str:
        """Return the text up to where the model goes on with another turn."""
        return _NEXT_TURN.split(text, maxsplit=1)[0]


def transcript(conversation: Conversation, labels: Mapping[str, int], schema: Schema) -> str:
    """Return a conversation, which ends with a user turn, as plain text to be continued."""
    parts = [conversation.system] if conversation.system else []
    parts += [f"{turn.role.value}: {turn.text}" for turn in conversation.turns]
    return "\n\n".join((*parts, request_in_words(labels, schema), "Assistant:"))


def request_in_words(labels: Mapping[str, int], schema: Schema) -> str:
    """Return a sentence: `Write an answer with quality 4 of 4 and humor 0 of 4`."""
    *most, last = [_asked(a, labels[a.name]) for a in schema.attributes]
    return f"Write an answer with {', '.join(most)}{' and ' if most else ''}{last}."


def _asked(attribute: Attribute, level: int) -> str:
    name = attribute.name.replace("_", " ")
    if attribute.min == 0:
        return f"{name} {level} of {attribute.max}"
    return f"{name} {level} on a scale from {attribute.min} to {attribute.max}"
