"""Which conversations are held out: decided by the group alone, so adding data moves nothing."""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

from steerlm_jobs.data.conversations import Role, Turn
from steerlm_jobs.data.readers.raw import RawTurn
from steerlm_jobs.data.seeds import derived_seed, unit_interval

TRAIN: Final = "train"
VALIDATION: Final = "validation"


def split_of(group: str, seed: int, validation_fraction: float) -> str:
    """Return `train` or `validation` by SHA-256 of seed and group."""
    held_out = unit_interval(seed, "split", group) < validation_fraction
    return VALIDATION if held_out else TRAIN


def half_of(group: str, seed: int) -> Literal["Even", "Odd"]:
    """Return in which half of the labels a group is: the parity of SHA-256 of seed and group."""
    return "Odd" if derived_seed(seed, "label-half", group) % 2 else "Even"


def group_of(turns: Sequence[RawTurn | Turn]) -> str:
    """Return a short name for the first user message, whatever its case and spaces.

    What shares it stays together: the paths of a tree, HelpSteer2's pairs of answers, HH's pairs,
    and the same question in two trees or two sources.
    """
    first = next((turn.text for turn in turns if turn.role is Role.USER), "")
    normal = " ".join(unicodedata.normalize("NFKC", first).casefold().split())
    return f"text:{hashlib.sha256(normal.encode()).hexdigest()[:32]}"
