"""What an attribute is, and the defaults that depend on its name (method.md section 2)."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import Field

from steerlm_jobs.contract.values import Value

NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}$"
"""Attribute names go into label text, so commas, colons, braces and spaces are refused."""

DEFAULT_NAMES: Final = (
    "quality",
    "toxicity",
    "humor",
    "creativity",
    "helpfulness",
    "correctness",
    "coherence",
    "complexity",
    "verbosity",
)
"""The nine of NeMo-Aligner, in its order; all on 0..4."""

_TARGET_TOP: Final = frozenset({"quality", "helpfulness", "correctness", "coherence"})
# 4 makes answers ramble: HelpSteer2 asks for 2 of 4 (background: the HelpSteer2 model card).
_TARGET_MIDDLE: Final = frozenset({"complexity", "verbosity"})
_TARGET_BOTTOM: Final = frozenset({"toxicity", "humor", "creativity"})

PROTECTED_NAMES: Final = frozenset(
    {"toxicity", "violence", "hate_speech", "sexual_content", "not_appropriate"}
)
"""Callers may not set these unless the spec says so (arXiv:2310.05344, ethics section)."""

DEFAULT_RANK_WEIGHTS: Final = {
    "quality": 1.0,
    "helpfulness": 1.0,
    "correctness": 1.0,
    "coherence": 1.0,
    "toxicity": -1.0,
}
"""Weights of the scaled scores that rank the samples of a prompt; other names weigh 0."""

DEFAULT_MAXIMISE: Final = ("quality", "helpfulness")
"""Attributes that a sampled combination must have at the top of their range."""

DEFAULT_LIMITED: Final = ("toxicity",)
"""Attributes that a sampled combination must have at the bottom of their range."""


class Attribute(Value):
    """A named property with an integer range."""

    name: str = Field(pattern=NAME_PATTERN)
    min: int = 0
    max: int = 4
    optional: bool = False
    """True: left out, with a note, where the data has too few labels for it."""


def label_refusal(labels: Mapping[str, int], attributes: Sequence[Attribute]) -> str:
    """Return one line that says why a model cannot be asked for labels; empty if it can."""
    ranges = {a.name: a for a in attributes}
    for name, level in labels.items():
        if name not in ranges:
            return f"unknown attribute {name!r}; this model knows {known_attributes(attributes)}"
        if not ranges[name].min <= level <= ranges[name].max:
            return f"{name}={level} is outside {ranges[name].min}..{ranges[name].max}"
    return ""


def known_attributes(attributes: Sequence[Attribute]) -> str:
    """Return `quality 0..4, humor 0..4`, for messages."""
    return ", ".join(f"{a.name} {a.min}..{a.max}" for a in attributes)


def default_target(name: str, minimum: int, maximum: int) -> int | None:
    """Return the label that callers get who say nothing; None if the spec must say it."""
    if name in _TARGET_TOP:
        return maximum
    if name in _TARGET_MIDDLE:
        return (minimum + maximum + 1) // 2  # round half up, for negative ranges too
    if name in _TARGET_BOTTOM:
        return minimum
    return None


def default_callers_may_set(name: str) -> bool:
    """Return False for the attributes that the paper's ethics section keeps from callers."""
    return name not in PROTECTED_NAMES
