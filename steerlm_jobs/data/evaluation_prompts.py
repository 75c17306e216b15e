"""The prompts that evaluate asks: none of them stands in the training data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.keys import KeySet, short_key
from steerlm_jobs.data.readers.raw import RawConversation, path_of
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.split import VALIDATION, group_of
from steerlm_jobs.store.jsonl import read_jsonl, write_jsonl

SOURCE_NAME: Final = "evaluationPrompts"


@dataclass(slots=True)
class PromptCounts:
    """How many prompts were written, and how many left out."""

    num_kept: int = 0
    num_in_training: int = 0
    num_duplicates: int = 0


def write_prompts_of_file(
    reader: SourceReader, system: str, training_questions: KeySet, target: Path
) -> PromptCounts:
    """Write the prompts of a file: prompts, or conversations up to their last user turn.

    One whose first message is any user turn of the training split is left out.

    Raises:
        BadInputError: The file cannot be read, or no prompt is left.
    """
    found = (_prompt(raw, system) for raw in reader.prompts())
    problem = f"{reader.address or reader.path}: no evaluation prompt is left"
    return _written(found, training_questions, target, problem)


def write_prompts_of_validation(
    files: list[Path], training_prompts: KeySet, target: Path
) -> PromptCounts:
    """Write the prompts of the validation split: conversations up to their last user turn.

    Only a first message that is one in training, too, leaves it out: the split keeps these apart.

    Raises:
        BadInputError: No prompt is left.
    """
    rows = (Conversation.from_json(row) for file in files for row in read_jsonl(file))
    return _written(
        (_up_to_last_user(row) for row in rows),
        training_prompts,
        target,
        "the validation split gives no evaluation prompt: raise "
        "spec.data.validationFraction or set spec.data.evaluationPrompts",
    )


def _written(
    found: Iterator[Conversation], in_training: KeySet, target: Path, problem: str
) -> PromptCounts:
    counts = PromptCounts()
    with KeySet() as seen:
        kept = _kept(found, in_training, seen, counts)
        counts.num_kept = write_jsonl(target, (prompt.to_json() for prompt in kept))
    if not counts.num_kept:
        num_found = counts.num_in_training + counts.num_duplicates
        of_them = f"{counts.num_in_training} of them in the training data"
        msg = f"{problem} ({num_found} found, {of_them})"
        raise BadInputError(msg)
    return counts


def _kept(
    found: Iterator[Conversation], in_training: KeySet, seen: KeySet, counts: PromptCounts
) -> Iterator[Conversation]:
    """Yield what is in no training data and for the first time there; count the rest."""
    for prompt in found:
        if short_key([prompt.group]) in in_training:
            counts.num_in_training += 1
        elif seen.add(short_key(turn.message_id for turn in prompt.turns)):
            yield prompt
        else:
            counts.num_duplicates += 1


def _prompt(raw: RawConversation, system: str) -> Conversation:
    turns = tuple(
        Turn(role=t.role, text=t.text, message_id=t.message_id, language=t.language)
        for t in raw.turns
    )
    name = path_of(raw.turns)[-1]
    return Conversation(
        f"{SOURCE_NAME}/{name}",
        SOURCE_NAME,
        group_of(raw.turns),
        system,
        turns,
        VALIDATION,
        follow_ups=raw.follow_ups,
    )


def _up_to_last_user(row: Conversation) -> Conversation:
    last = max(i for i, turn in enumerate(row.turns) if turn.role is Role.USER)
    turns = row.turns[: last + 1]
    return Conversation(
        f"{row.source}/{turns[-1].message_id}",
        row.source,
        group_of(turns),
        row.system,
        turns,
        VALIDATION,
    )
