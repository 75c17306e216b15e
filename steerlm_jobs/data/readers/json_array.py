"""Objects of a JSON array, one by one: the whole file never stands in memory."""

import json
from collections.abc import Iterator
from typing import Any, Final

_MAX_ITEM_CHARACTERS: Final = 1 << 26
"""No conversation is so long; a file without its closing bracket would be read to its end."""


class ArrayError(ValueError):
    """The text is no JSON array; its message says where and why."""


def array_items(pieces: Iterator[str]) -> Iterator[Any]:  # Any: JSON
    """Yield the items of an array, whose first bracket is there, in pieces of any size.

    Raises:
        ArrayError: It is not an array, or ends within an item.
    """
    decoder = json.JSONDecoder()
    text, at, number = "", 0, 0
    while not text.lstrip():
        text = next(pieces)
    text = text.lstrip().removeprefix("[")
    while True:
        at = _skipped(text, at)
        if text.startswith("]", at):
            return
        try:
            value, end = _item(decoder, text, at, is_first=number == 0)
        except json.JSONDecodeError as error:
            more = next(pieces, None) if len(text) - at < _MAX_ITEM_CHARACTERS else None
            if more is None:
                msg = f"item {number + 1} of the array: not JSON: {error.msg}"
                raise ArrayError(msg) from error
            text, at = text[at:] + more, 0
            continue
        yield value
        number, at = number + 1, end


def _item(
    decoder: json.JSONDecoder, text: str, at: int, *, is_first: bool
) -> tuple[Any, int]:  # Any: JSON
    """Return an item and where it ends; a JSONDecodeError may mean that more text is needed."""
    if not is_first:
        if not text.startswith(",", at):
            problem = "expecting ',' or ']'"
            raise json.JSONDecodeError(problem, text, at)
        at += 1
    return decoder.raw_decode(text, _skipped(text, at))


def _skipped(text: str, at: int) -> int:
    """Return the place of the next character that is not white."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
