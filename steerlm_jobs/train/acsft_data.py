"""ACSFT rows: conversations with labels as examples, and what is counted on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.train.objectives import AcsftExample

LevelCounts = dict[str, dict[int, int]]


@dataclass(frozen=True, slots=True)
class AcsftRow:
    """One conversation to learn from."""

    example: AcsftExample
    labels: tuple[tuple[str, int], ...]
    """(attribute, level) of the answers that are learnt."""
    system: str
    """The system prompt."""


@dataclass(slots=True)
class AcsftRows:
    """Examples with what was counted on the way."""

    examples: list[AcsftExample] = field(default_factory=list)
    dropped: int = 0
    """Too long even when cut, or without an answer to learn."""
    levels: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers that are learnt from, by (attribute, level)."""
    systems: Counter[str] = field(default_factory=Counter)
    """Conversations by system prompt."""

    def add(self, row: AcsftRow | None) -> None:
        """Add a row; None: a conversation that cannot be learnt from is counted."""
        if row is None:
            self.dropped += 1
            return
        self.examples.append(row.example)
        self.levels.update(row.labels)
        self.systems[row.system] += 1


@dataclass(frozen=True, slots=True)
class RowReader:
    """How conversations become examples."""

    tokenizer: ChatTokenizer
    schema: Schema
    targets: Mapping[str, int]
    """Labels of an answer that has none of its own."""
    max_length_tokens: int

    def add(
        self, rows: AcsftRows, conversations: Iterable[Conversation], source: str | None = None
    ) -> None:
        """Encode conversations and count their labels; those that cannot be learnt are dropped."""
        for conversation in conversations:
            rows.add(self.row(conversation, source))

    def row(self, conversation: Conversation, source: str | None = None) -> AcsftRow | None:
        """Return a conversation's row, `source` in place of its own; None: it cannot be learnt."""
        encoded = self.tokenizer.encode_training(
            conversation, self.schema, self.targets, self.max_length_tokens
        )
        if encoded is None:
            return None
        ids = torch.tensor(encoded.ids, dtype=torch.int32)
        mask = torch.tensor(encoded.loss_mask)
        turns = conversation.turns[encoded.first_turn :]
        answers = (turn for turn in turns if turn.role is Role.ASSISTANT)
        return AcsftRow(
            AcsftExample(ids, mask, source or conversation.source),
            tuple(pair for turn in answers for pair in turn.labels.items()),
            conversation.system,
        )


def level_counts(levels: Mapping[tuple[str, int], int], schema: Schema) -> LevelCounts:
    """Return the number of training examples of every level, those that never occur included."""
    return {
        a.name: {level: levels.get((a.name, level), 0) for level in range(a.min, a.max + 1)}
        for a in schema.attributes
    }


def untrained_levels(counts: LevelCounts, min_examples: int) -> dict[str, Sequence[int]]:
    """Return the levels with too few training examples, of attributes that have any."""
    found = {
        name: [level for level, n in levels.items() if n < min_examples]
        for name, levels in counts.items()
    }
    return {name: levels for name, levels in found.items() if levels}
