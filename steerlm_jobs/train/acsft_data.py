"""ACSFT rows: annotated conversations, in a bootstrap iteration mixed with samples."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.seeds import seeded_order
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.train.objectives import AcsftExample

LevelCounts = dict[str, dict[int, int]]


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
            encoded = self.tokenizer.encode_training(
                conversation, self.schema, self.targets, self.max_length_tokens
            )
            if encoded is None:
                rows.dropped += 1
                continue
            ids = torch.tensor(encoded.ids, dtype=torch.int32)
            mask = torch.tensor(encoded.loss_mask)
            rows.examples.append(AcsftExample(ids, mask, source or conversation.source))
            rows.systems[conversation.system] += 1
            turns = conversation.turns[encoded.first_turn :]
            answers = (turn for turn in turns if turn.role is Role.ASSISTANT)
            rows.levels.update(pair for turn in answers for pair in turn.labels.items())


def num_originals(num_samples: int, num_available: int, original_fraction: float) -> int:
    """Return how many originals make up their fraction of the mixture, if there are so many."""
    wanted = round(num_samples * original_fraction / (1 - original_fraction))
    return min(wanted, num_available)


def chosen_originals(num_available: int, num_wanted: int, seed: int) -> frozenset[int]:
    """Return the places of a seeded choice among the originals."""
    return frozenset(seeded_order(num_available, seed, "originals")[:num_wanted])


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
