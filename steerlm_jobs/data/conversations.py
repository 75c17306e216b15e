"""Conversations: what readers give, prepare writes, and every later stage reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """Who speaks; the value is the word in the rendered text."""

    USER = "User"
    ASSISTANT = "Assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. An absent label is absent, never a magic number."""

    role: Role
    text: str
    labels: Mapping[str, int] = field(default_factory=dict)
    """What training conditions on: people's in prepare's files, predicted ones after annotate."""
    human_labels: Mapping[str, int] = field(default_factory=dict)
    """People's labels, kept beside predicted ones."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """The APM's scores on the attributes' scales, not rounded."""
    message_id: str = ""
    language: str = ""

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the turn without what is empty."""
        named = {
            "labels": dict(self.labels),
            "humanLabels": dict(self.human_labels),
            "scores": dict(self.scores),
            "messageId": self.message_id,
            "language": self.language,
        }
        kept = {name: value for name, value in named.items() if value}
        return {"role": self.role.value, "text": self.text, **kept}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Turn":  # Any: JSON
        """Read what `to_json` wrote."""
        return cls(
            role=Role(value["role"]),
            text=value["text"],
            labels=value.get("labels", {}),
            human_labels=value.get("humanLabels", {}),
            scores=value.get("scores", {}),
            message_id=value.get("messageId", ""),
            language=value.get("language", ""),
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """A system prompt and turns, with where they come from."""

    id: str
    source: str
    """Name of the data source; of a sample, that of its prompt."""
    group: str
    """What must not be split between training and validation: tree, or first user message."""
    system: str
    turns: tuple[Turn, ...]
    split: str = "train"
    """`train` or `validation`."""
    requested: Mapping[str, int] = field(default_factory=dict)
    """Samples only: the labels that were asked for."""
    rank: int = 0
    """Annotated samples only: 1 is the best of its prompt."""
    rank_sum: float = 0.0
    kept: bool = True
    """False: ranked, but left out of training by the filter."""
    follow_ups: tuple[str, ...] = ()
    """Evaluation prompts only: what the user asks once the last turn is answered, in order."""

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the conversation without what equals its default."""
        row: dict[str, Any] = {
            "id": self.id,
            "source": self.source,
            "group": self.group,
            "system": self.system,
            "turns": [turn.to_json() for turn in self.turns],
            "split": self.split,
        }
        if self.requested:
            row["requested"] = dict(self.requested)
        if self.rank:
            row |= {"rank": self.rank, "rankSum": self.rank_sum, "kept": self.kept}
        if self.follow_ups:
            row["followUps"] = list(self.follow_ups)
        return row

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Conversation":  # Any: JSON
        """Read what `to_json` wrote."""
        return cls(
            id=value["id"],
            source=value["source"],
            group=value["group"],
            system=value["system"],
            turns=tuple(Turn.from_json(turn) for turn in value["turns"]),
            split=value.get("split", "train"),
            requested=value.get("requested", {}),
            rank=value.get("rank", 0),
            rank_sum=value.get("rankSum", 0.0),
            kept=value.get("kept", True),
            follow_ups=tuple(value.get("followUps", ())),
        )
