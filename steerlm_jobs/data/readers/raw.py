"""What a reader gives: conversations with the labels of their source, and what it dropped."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steerlm_jobs.contract.fingerprint import canonical_json
from steerlm_jobs.data.conversations import Role


class Drop(StrEnum):
    """Why something of a source is not used.

    Filters and empty texts count messages of a tree (what is below them is not counted), texts of a
    pair, rows elsewhere. The other causes count conversations.
    """

    SINGLE_MESSAGE = "singleMessage"
    """Nobody answered: no assistant turn is left."""
    EMPTY_TEXT = "emptyText"
    LANGUAGE = "language"
    DELETED = "deleted"
    UNREVIEWED = "unreviewed"
    SPAM = "spam"
    ROLES = "roles"
    """Turns do not start with the user and alternate."""
    ORPHAN = "orphan"
    """Rows of messages: what it answers, or the message above that, is not there."""
    DUPLICATE = "duplicate"
    """The same messages occur already."""
    OVER_LIMIT = "overLimit"
    """Beyond the source's maxConversations."""
    MARKER = "marker"
    """Export only: a text holds a marker, which NeMo would take for a genuine one."""
    NO_LABEL = "noLabel"
    """Export only: no answer has a label, so there is no regression record."""


@dataclass(frozen=True, slots=True)
class RawTurn:
    """One message as the source has it; its text is stripped."""

    role: Role
    text: str
    message_id: str = ""
    language: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    """On 0..1 if `RawConversation.has_unit_labels`, else on the source's own scale."""


@dataclass(frozen=True, slots=True)
class RawConversation:
    """One conversation as the source has it."""

    place: str
    """`FILE:LINE` of its record, for messages."""
    turns: tuple[RawTurn, ...]
    has_unit_labels: bool = False
    follow_ups: tuple[str, ...] = ()
    """Of a prompt: further questions, each to be asked once the one before it is answered."""
    system: str | None = None
    """The record's own system prompt; None: its format has none. A run uses its own instead."""


@dataclass(slots=True)
class Drops:
    """Counts of what was left out, by cause. The one mutable value here: readers are generators."""

    counts: Counter[Drop] = field(default_factory=Counter)

    def add(self, cause: Drop, number: int = 1) -> None:
        """Count something that is left out."""
        self.counts[cause] += number

    def clear(self) -> None:
        """Forget all counts: the source is read again."""
        self.counts.clear()

    def as_dict(self) -> dict[str, int]:
        """Return the causes that occurred, by name."""
        return {cause.value: self.counts[cause] for cause in Drop if self.counts[cause]}


def with_ids(turns: tuple[RawTurn, ...]) -> tuple[RawTurn, ...]:
    """Give turns without an id one that depends on all texts up to them.

    So two conversations with the same beginning share the ids of its messages.
    """
    named: list[RawTurn] = []
    before = ""
    for turn in turns:
        content = canonical_json([before, turn.role.value, turn.text])
        before = turn.message_id or hashlib.sha256(content.encode()).hexdigest()[:32]
        named.append(RawTurn(turn.role, turn.text, before, turn.language, turn.labels))
    return tuple(named)


def path_of(turns: tuple[RawTurn, ...]) -> tuple[str, ...]:
    """Return the ids of the messages: two conversations with equal paths are the same."""
    return tuple(turn.message_id for turn in turns)


def ended_by_assistant(turns: tuple[RawTurn, ...]) -> tuple[RawTurn, ...]:
    """Return the turns without trailing user turns."""
    end = len(turns)
    while end and turns[end - 1].role is Role.USER:
        end -= 1
    return turns[:end]


def alternates(turns: tuple[RawTurn, ...]) -> bool:
    """Return True if user and assistant take turns, the user first."""
    roles = (Role.USER, Role.ASSISTANT)
    return all(turn.role is roles[index % 2] for index, turn in enumerate(turns))
