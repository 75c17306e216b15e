"""Half of the labels for the labelling APM, half for the second scorer: are there enough?

The halves have no group in common, so that the second scorer judges by labels that the first has
never seen.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import LabelGroups
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.split import half_of

FEW_LABELS: Final = 100
"""Half of what `minLabels` asks of both halves together by default."""
_WAY_OUT: Final = "add data, or set spec.stages.evaluate.secondScorer to None"


def chosen_half(
    conversations: Iterable[Conversation], groups: LabelGroups | None
) -> Iterator[Conversation]:
    """Yield the conversations of one half; all of them if there are no halves."""
    for conversation in conversations:
        if groups is None or half_of(conversation.group, groups.seed) == groups.parity:
            yield conversation


def half_notes(
    conversations: Iterable[Conversation], schema: Schema, groups: LabelGroups
) -> list[str]:
    """Return a warning for each attribute with few labels in either half.

    Both halves are looked at: the labelling APM's stage runs first, and is to say at once what the
    second scorer's would end with.

    Raises:
        BadInputError: An attribute has no label at all in one half.
    """
    counts = _label_counts(conversations, schema, groups.seed)
    named = {
        name: " and ".join(f"{counts[half, name]} ({half.lower()})" for half in ("Even", "Odd"))
        for name in schema.names
    }
    fewest = {name: min(counts["Even", name], counts["Odd", name]) for name in schema.names}
    empty = [f"{name}: {named[name]}" for name in schema.names if not fewest[name]]
    if empty:
        msg = f"no labels in one of the halves, for {'; '.join(empty)}: {_WAY_OUT}"
        raise BadInputError(msg)
    return [
        f"{name}: few labels in the halves for the two attribute prediction models, {named[name]}: "
        f"{_WAY_OUT}"
        for name in schema.names
        if fewest[name] < FEW_LABELS
    ]


def _label_counts(
    conversations: Iterable[Conversation], schema: Schema, seed: int
) -> Counter[tuple[str, str]]:
    """Count labels by half and attribute; a message that stands on several paths counts once."""
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    for conversation in conversations:
        half = half_of(conversation.group, seed)
        for turn in conversation.turns:
            if not turn.labels or turn.message_id in seen:
                continue
            if turn.message_id:
                seen.add(turn.message_id)
            counts.update((half, name) for name in schema.names if name in turn.labels)
    return counts
