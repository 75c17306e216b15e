"""The template: how a conversation becomes text, and back. The only home of the markers.

Four forms share it. *Training* (ACSFT): each answer's labels stand before the answer, and a last
turn marker is the stop. *Prompt*: the training form up to where the answer begins. *Scoring* (APM):
no labels, a bare label marker at the end. *Value* (generative APM): the scoring form with the last
answer's labels after it. Source: NeMo-Aligner's `common.py`, which differs from the paper's
appendix in the marker of user turns.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from steerlm_jobs.attributes.labels import label_text, parse_label_text
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.data.conversations import Conversation, Role, Turn

SYSTEM_MARKER: Final = "<extra_id_0>"
TURN_MARKER: Final = "<extra_id_1>"
"""Begins a turn, and so ends the one before: generation stops at it."""
LABEL_MARKER: Final = "<extra_id_2>"
MARKERS: Final = (SYSTEM_MARKER, TURN_MARKER, LABEL_MARKER)

TEMPLATE: Final = {
    "version": 1,
    "system": "<extra_id_0>System\n{system}\n",
    "user": "<extra_id_1>User\n{text}\n",
    "assistant": "<extra_id_1>Assistant\n{text}\n",
    "labels": "<extra_id_2>{labels}\n",
    "score": "<extra_id_2>",
    "stop": "<extra_id_1>",
    "labelText": "name:value,name:value",
}
"""The template as JSON: stored with every dataset and model, hashed into the fingerprint."""

_MARKER_PATTERN: Final = re.compile("(" + "|".join(re.escape(m) for m in MARKERS) + ")")

_TURN_START: Final = re.compile(rf"{re.escape(TURN_MARKER)}(User|Assistant)\n")


def template_digest() -> str:
    """Return the digest of the template, one of the roots of a run."""
    return short_sha256(canonical_json(TEMPLATE).encode())


class SegmentKind(StrEnum):
    """What a segment becomes: one special token, or the tokens of a text."""

    MARKER = "Marker"
    TEXT = "Text"


@dataclass(frozen=True, slots=True)
class Segment:
    """A unit of tokenisation: no token ever reaches across its edges."""

    kind: SegmentKind
    text: str
    bears_loss: bool = False
    """True: its tokens count in the loss of a model that writes text."""


@dataclass(frozen=True, slots=True)
class ParsedConversation:
    """What a rendered text says."""

    system: str
    turns: tuple[Turn, ...]
    asked: Mapping[str, int] | None = None
    """The labels at the end of a prompt; None where the text is not a prompt."""


def training_segments(
    conversation: Conversation, schema: Schema, default_labels: Mapping[str, int]
) -> tuple[Segment, ...]:
    """Return the ACSFT form: labels before each answer, a turn marker at the end as the stop.

    Args:
        conversation: Any number of turns.
        schema: Fixes the order of the labels.
        default_labels: What stands for labels that a turn does not have.
    """
    segments = list(_head(conversation))
    for turn in conversation.turns:
        segments += _turn(turn, schema, default_labels, follows_answer=segments[-1].bears_loss)
    if segments[-1].bears_loss:
        segments.append(_marker(TURN_MARKER, bears_loss=True))
    return tuple(segments)


def prompt_segments(
    conversation: Conversation, labels: Mapping[str, int], schema: Schema
) -> tuple[Segment, ...]:
    """Return what the model is given to answer the last user turn as `labels` ask.

    Earlier answers carry their own labels where they have some, else those asked for.
    """
    segments = list(_head(conversation))
    for turn in conversation.turns:
        segments += _turn(turn, schema, labels, follows_answer=False)
    opening = (_marker(TURN_MARKER), _text(f"{Role.ASSISTANT.value}\n"))
    return (*segments, *opening, *_label_line(labels, schema))


def scoring_segments(conversation: Conversation, turn_index: int) -> tuple[Segment, ...]:
    """Return the form up to and including one answer: after its last marker scores are read."""
    segments = list(_head(conversation))
    for turn in conversation.turns[: turn_index + 1]:
        segments += (_marker(TURN_MARKER), *_unlabelled(turn))
    return (*segments, _marker(LABEL_MARKER))


def value_segments(
    conversation: Conversation, turn_index: int, labels: Mapping[str, int], schema: Schema
) -> tuple[Segment, ...]:
    """Return what the generative APM learns from (TEXT_TO_VALUE): the last answer's labels.

    Args:
        conversation: Labels of its turns are not used: history carries none.
        turn_index: The answer; what follows it is left out.
        labels: Those that are learnt, at least one.
        schema: Fixes their order.
    """
    line = _text(f"{label_text(labels, schema)}\n", bears_loss=True)
    return (*scoring_segments(conversation, turn_index), line)


def plain_text(conversation: Conversation) -> str:
    """Return the turns without markers, labels and system prompt: what `scratch:tiny` reads."""
    return "".join(f"{turn.role.value}\n{turn.text}\n" for turn in conversation.turns)


def render_text(segments: tuple[Segment, ...]) -> str:
    """Return the text as a person reads it. Never tokenise this: texts may hold forged markers."""
    return "".join(segment.text for segment in segments)


def holds_marker(text: str) -> bool:
    """Return True if the text holds a marker's letters (a forgery, in data or a prompt)."""
    return _MARKER_PATTERN.search(text) is not None


def split_system(text: str) -> tuple[str | None, str]:
    """Return (system prompt, rest) of others' text with genuine markers; None: it starts without.

    The rest is what `split_turns` reads.
    """
    head = f"{SYSTEM_MARKER}System\n"
    if not text.startswith(head):
        return None, text
    start = _TURN_START.search(text)
    end = len(text) if start is None else start.start()
    return text[len(head) : end].removesuffix("\n"), text[end:]


def split_turns(text: str) -> list[tuple[Role, str]]:
    """Read the turns of others' text with genuine turn markers and no labels.

    What stands before the first of them is the first user's words: so HelpSteer2 writes prompts of
    several turns. A marker that no header follows, and any other marker, is text.
    """
    first, *rest = _TURN_START.split(text)
    turns = [(Role.USER, first.removesuffix("\n"))] if first else []
    for role, said in zip(rest[::2], rest[1::2], strict=True):
        turns.append((Role(role), said.removesuffix("\n")))
    return turns


def parse(text: str, schema: Schema) -> ParsedConversation:
    """Read a rendered text whose markers are genuine, in any of the four forms.

    Raises:
        ValueError: The text does not follow the template.
    """
    start, *pieces = _MARKER_PATTERN.split(text)
    parts = list(zip(pieces[::2], pieces[1::2], strict=True))
    if start or not parts or parts[0][0] != SYSTEM_MARKER:
        msg = f"a conversation starts with {SYSTEM_MARKER}, this text with {text[:20]!r}"
        raise ValueError(msg)
    system = _body(_after(parts[0][1], "System\n"))
    turns, asked = _parsed_turns(parts[1:], schema)
    return ParsedConversation(system, tuple(turns), asked)


def _head(conversation: Conversation) -> tuple[Segment, ...]:
    return (_marker(SYSTEM_MARKER), _text(f"System\n{conversation.system}\n"))


def _turn(
    turn: Turn, schema: Schema, default_labels: Mapping[str, int], *, follows_answer: bool
) -> tuple[Segment, ...]:
    """Return a turn of the training form; its first marker ends the answer before, if any."""
    opening = _marker(TURN_MARKER, bears_loss=follows_answer)
    if turn.role is Role.USER:
        return (opening, *_unlabelled(turn))
    labels = _label_line({**default_labels, **turn.labels}, schema)
    header = _text(f"{Role.ASSISTANT.value}\n")
    return (opening, header, *labels, _text(f"{turn.text}\n", bears_loss=True))


def _unlabelled(turn: Turn) -> tuple[Segment, ...]:
    header = f"{turn.role.value}\n"
    if turn.role is Role.USER:
        return (_text(f"{header}{turn.text}\n"),)
    return (_text(header), _text(f"{turn.text}\n"))


def _label_line(labels: Mapping[str, int], schema: Schema) -> tuple[Segment, ...]:
    if not schema.attributes:  # a model of plain answers: no line at all, not an empty one
        return ()
    return (_marker(LABEL_MARKER), _text(f"{label_text(labels, schema)}\n"))


def _marker(text: str, *, bears_loss: bool = False) -> Segment:
    return Segment(SegmentKind.MARKER, text, bears_loss)


def _text(text: str, *, bears_loss: bool = False) -> Segment:
    return Segment(SegmentKind.TEXT, text, bears_loss)


def _parsed_turns(
    parts: list[tuple[str, str]], schema: Schema
) -> tuple[list[Turn], Mapping[str, int] | None]:
    turns: list[Turn] = []
    walk = iter(parts)
    for marker, body in walk:
        if (marker, body) in {(TURN_MARKER, ""), (LABEL_MARKER, "")}:
            _expect_end(walk)  # the stop, or where the score is read
        elif marker == LABEL_MARKER and turns:
            turns[-1] = replace(turns[-1], labels=parse_label_text(_body(body), schema))
            _expect_end(walk)
        elif body.startswith("User\n"):
            turns.append(Turn(role=Role.USER, text=_body(_after(body, "User\n"))))
        elif body == "Assistant\n":
            line, answer = _labelled(walk)
            labels = parse_label_text(line, schema)
            if not answer:
                _expect_end(walk)
                return turns, labels
            turns.append(Turn(role=Role.ASSISTANT, text=_body(answer), labels=labels))
        else:
            turns.append(Turn(role=Role.ASSISTANT, text=_body(_after(body, "Assistant\n"))))
    return turns, None


def _labelled(walk: Iterator[tuple[str, str]]) -> tuple[str, str]:
    """Return (label line, answer with its line end) that follow an assistant's header."""
    marker, body = next(walk, ("", ""))
    line, newline, answer = body.partition("\n")
    if marker != LABEL_MARKER or not newline:
        msg = f"after Assistant comes {LABEL_MARKER} with a line of labels, not {body[:20]!r}"
        raise ValueError(msg)
    return line, answer


def _expect_end(walk: Iterator[tuple[str, str]]) -> None:
    if next(walk, None) is not None:
        raise ValueError("text goes on after the end of the conversation")


def _after(body: str, header: str) -> str:
    if not body.startswith(header):
        msg = f"a turn is headed System, User or Assistant, not {body[:20]!r}"
        raise ValueError(msg)
    return body.removeprefix(header)


def _body(text: str) -> str:
    if not text.endswith("\n"):
        msg = f"a turn ends with a line break, not with {text[-20:]!r}"
        raise ValueError(msg)
    return text.removesuffix("\n")
