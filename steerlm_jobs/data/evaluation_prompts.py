"""The prompts that evaluate asks: none of them stands in the training data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.keys import short_key
from steerlm_jobs.data.readers.raw import RawConversation, path_of
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.split import VALIDATION, group_of
from steerlm_jobs.store.jsonl import read_jsonl

SOURCE_NAME: Final = "evaluationPrompts"


@dataclass(frozen=True, slots=True)
class EvaluationPrompts:
    """Prompts, each ending in a user turn, and how many were left out."""

    prompts: tuple[Conversation, ...]
    num_in_training: int
    num_duplicates: int


def prompts_of_file(root: Path, system: str, training_prompts: set[int]) -> EvaluationPrompts:
    """Read a prompt file, or conversations up to their last user turn.

    Raises:
        BadInputError: The file cannot be read, or no prompt is left.
    """
    found = (_prompt(raw, system) for raw in SourceReader(root).prompts())
    return _checked(found, training_prompts, f"{root.name}: no evaluation prompt is left")


def prompts_of_validation(files: list[Path], training_prompts: set[int]) -> EvaluationPrompts:
    """Take the prompts of the validation split: each conversation up to its last user turn.

    Raises:
        BadInputError: No prompt is left.
    """
    rows = (Conversation.from_json(row) for file in files for row in read_jsonl(file))
    found = (_up_to_last_user(row) for row in rows)
    return _checked(
        found,
        training_prompts,
        "the validation split gives no evaluation prompt: raise "
        "spec.data.validationFraction or set spec.data.evaluationPrompts",
    )


def _checked(
    found: Iterator[Conversation], training_prompts: set[int], problem: str
) -> EvaluationPrompts:
    kept: dict[tuple[str, ...], Conversation] = {}
    num_found = num_in_training = 0
    for prompt in found:
        num_found += 1
        if short_key([prompt.group]) in training_prompts:
            num_in_training += 1
        else:
            kept.setdefault(tuple(turn.message_id for turn in prompt.turns), prompt)
    if not kept:
        msg = f"{problem} ({num_found} found, {num_in_training} of them in the training data)"
        raise BadInputError(msg)
    return EvaluationPrompts(
        tuple(kept.values()), num_in_training, num_found - num_in_training - len(kept)
    )


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
