"""Which conversations are held out: decided by the group alone, so adding data moves nothing."""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Final

from steerlm_jobs.data.conversations import Role, Turn
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn
from steerlm_jobs.data.seeds import unit_interval

TRAIN: Final = "train"
VALIDATION: Final = "validation"


def split_of(group: str, seed: int, validation_fraction: float) -> str:
    """Return `train` or `validation` by SHA-256 of seed and group."""
    held_out = unit_interval(seed, "split", group) < validation_fraction
    return VALIDATION if held_out else TRAIN


def group_of(conversation: RawConversation) -> str:
    """Return the tree of a conversation, else its first user message, whatever its case and spaces.

    HelpSteer2's pairs share a prompt; HH pairs share all but the end.
    """
    return conversation.group or first_message_group(conversation.turns)


def first_message_group(turns: Sequence[RawTurn | Turn]) -> str:
    """Return a short name for the normalised first user message."""
    first = next((turn.text for turn in turns if turn.role is Role.USER), "")
    normal = " ".join(unicodedata.normalize("NFKC", first).casefold().split())
    return f"text:{hashlib.sha256(normal.encode()).hexdigest()[:32]}"
