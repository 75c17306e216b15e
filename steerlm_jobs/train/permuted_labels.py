"""Labels of other conversations, dealt out by seed: what a model makes of labels that say nothing.

The labels of one answer go to one other answer, together as they were: each level and each
combination stays exactly as frequent. Those of one conversation are dealt out in a row, so they
mostly stay together, too. Only their tie to the answers is cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.seeds import seeded_order

Labels = tuple[int | None, ...]
"""Of one answer in schema order; None where it has none."""


def label_rows(conversations: Iterable[Conversation], schema: Schema) -> list[tuple[Labels, ...]]:
    """Return the labels of the answers of each conversation that has any answer."""
    kept: dict[Labels, Labels] = {}  # few combinations, many answers
    rows = []
    for conversation in conversations:
        answers = (turn for turn in conversation.turns if turn.role is Role.ASSISTANT)
        found = (tuple(turn.labels.get(name) for name in schema.names) for turn in answers)
        row = tuple(kept.setdefault(labels, labels) for labels in found)
        if row:
            rows.append(row)
    return rows


def with_permuted_labels(
    conversations: Iterable[Conversation],
    rows: Sequence[tuple[Labels, ...]],
    schema: Schema,
    seed: int,
) -> Iterator[Conversation]:
    """Yield the conversations with the labels of others.

    Args:
        conversations: Those that `rows` was made of, in the same order.
        rows: See `label_rows`. What a conversation leaves of its donor's labels goes to the next;
            one with more answers than its donor takes the rest from the next donor.
        schema: Names of the labels.
        seed: Of the permutation.
    """
    donors = seeded_order(len(rows), seed, "permuted-labels")
    dealt = chain.from_iterable(rows[donor] for donor in donors)
    for conversation in conversations:
        yield _relabelled(conversation, dealt, schema)


def _relabelled(
    conversation: Conversation, dealt: Iterator[Labels], schema: Schema
) -> Conversation:
    turns = []
    for turn in conversation.turns:
        if turn.role is not Role.ASSISTANT:
            turns.append(turn)
            continue
        named = zip(schema.names, next(dealt), strict=True)
        labels = {name: level for name, level in named if level is not None}
        turns.append(replace(turn, labels=labels))
    return replace(conversation, turns=tuple(turns))
