"""A key for what is made of a large frozen value: the value itself, not what it equals.

A spec takes longer to compare than most of what is made of it, and it is read once for many passes.
"""

from typing import Generic, TypeVar

_T = TypeVar("_T")


class Identity(Generic[_T]):
    """Equal to another if both hold the very same object, which they keep alive."""

    __slots__ = ("value",)

    def __init__(self, value: _T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
