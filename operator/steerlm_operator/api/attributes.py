"""`spec.attributes`: what the model can be steered by."""

from pydantic import Field

from steerlm_jobs.contract.attributes import DEFAULT_NAMES, NAME_PATTERN
from steerlm_jobs.contract.values import Value


class AttributeSpec(Value):
    """A named property of an answer, with an integer range."""

    name: str = Field(pattern=NAME_PATTERN, max_length=40)
    """Lower-case letters, digits and underscores: it is written into label text."""
    min: int = 0
    """Lowest label."""
    max: int = 4
    """Highest label."""
    target: int | None = None
    """What callers get who say nothing. Absent: by name; required for names we do not know."""
    callers_may_set: bool | None = None
    """Whether the server lets callers choose it. Absent: by name; no for toxicity and the like."""
    optional: bool = False
    """True: left out, with a note, where the data has fewer labels than `minLabels`."""


DEFAULT_ATTRIBUTES = tuple(AttributeSpec(name=name) for name in DEFAULT_NAMES)
"""The nine of NeMo-Aligner on 0..4, in its order."""
