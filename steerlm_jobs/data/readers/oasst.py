"""OASST message trees: each root-to-leaf path is a conversation (background: the OASST schema).

Labels are means over annotators on 0..1. A message that a filter leaves out takes everything
below it along.
"""

from collections.abc import Iterator
from typing import Any, Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import Filters
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import kind_of, list_field, number, text_field, writable
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids

_ROLES: Final = {"prompter": Role.USER, "assistant": Role.ASSISTANT}
_SPAM_FROM: Final = 0.5
"""A message is spam if at least half of its annotators say so."""


def read_oasst(record: Record, filters: Filters, drops: Drops) -> Iterator[RawConversation]:
    """Yield the paths of one tree, as long as they are; callers trim and drop short ones."""
    root = record.value.get("prompt")
    if not isinstance(root, dict):
        msg = f"{record.place}: field 'prompt' is not the first message of an OASST tree"
        raise BadInputError(msg)
    for path in _paths(root, record.place, filters, drops):
        yield RawConversation(record.place, with_ids(path), has_unit_labels=True)


def _paths(
    root: dict[str, Any], place: str, filters: Filters, drops: Drops
) -> Iterator[tuple[RawTurn, ...]]:
    """Walk what the filters leave of the tree, without recursion: a hostile file may be deep."""
    first = _kept(root, place, filters, drops)
    waiting: list[tuple[dict[str, Any], tuple[RawTurn, ...]]] = []  # Any: JSON
    if first is not None:
        waiting.append((root, (first,)))
    while waiting:
        node, path = waiting.pop()
        replies = [(r, _kept(r, place, filters, drops)) for r in list_field(node, "replies", place)]
        below = [(reply, (*path, turn)) for reply, turn in replies if turn is not None]
        if not below:
            yield path
        waiting += reversed(below)


def _kept(node: Any, place: str, filters: Filters, drops: Drops) -> RawTurn | None:  # Any: JSON
    """Return a message; None, counted, if it and everything below it is left out."""
    if not isinstance(node, dict):
        msg = f"{place}: a reply is {kind_of(node)}, not a message"
        raise BadInputError(msg)
    turn = message_of(node, place)
    cause = _cause(node, turn, filters)
    if cause is None:
        return turn
    drops.add(cause)
    return None


def message_of(node: dict[str, Any], place: str) -> RawTurn:  # Any: JSON
    """Return the message of a node or row.

    Raises:
        BadInputError: It has no role, no text, or labels of another form.
    """
    role = node.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        msg = f"{place}: role {role!r} of a message is neither prompter nor assistant"
        raise BadInputError(msg)
    return RawTurn(
        _ROLES[role],
        text_field(node, "text", place),
        writable(node.get("message_id") or ""),
        writable(node.get("lang") or ""),
        _labels(node.get("labels"), place),
    )


def _labels(value: Any, place: str) -> dict[str, float]:  # Any: JSON
    if value is None:
        return {}
    if not isinstance(value, dict):
        msg = f"{place}: field 'labels' is {kind_of(value)}, not {{name: {{value, count}}}}"
        raise BadInputError(msg)
    labels: dict[str, float] = {}
    for name, found in _named_values(value, place):
        labels[name] = number(found, f"label {name!r}", place)
        if not 0.0 <= labels[name] <= 1.0:
            msg = f"{place}: label {name!r} is {labels[name]:g}, outside OASST's 0..1"
            raise BadInputError(msg)
    return labels


def _named_values(value: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:  # Any: JSON
    """Yield names and values of either form: an entry a label, or three lists side by side."""
    if isinstance(value.get("name"), list):
        names, values = value["name"], list_field(value, "value", place)
        if len(names) != len(values):
            msg = f"{place}: 'labels' has {len(names)} names and {len(values)} values"
            raise BadInputError(msg)
        yield from ((writable(name), found) for name, found in zip(names, values, strict=True))
        return
    for key, entry in value.items():
        if not isinstance(entry, dict) or "value" not in entry:
            msg = f"{place}: label {writable(key)!r} has no value"
            raise BadInputError(msg)
        yield writable(key), entry["value"]


def _cause(node: dict[str, Any], turn: RawTurn, filters: Filters) -> Drop | None:
    """Return why a message is left out; None if it stays."""
    if not turn.text:
        return Drop.EMPTY_TEXT
    if filters.drop_deleted and node.get("deleted") is True:
        return Drop.DELETED
    if filters.drop_unreviewed and node.get("review_result") is not True:
        return Drop.UNREVIEWED
    if filters.drop_spam and turn.labels.get("spam", 0.0) >= _SPAM_FROM:
        return Drop.SPAM
    if not speaks(turn.language, filters.languages):
        return Drop.LANGUAGE
    return None


def speaks(language: str, wanted: tuple[str, ...]) -> bool:
    """Return True if a BCP-47 tag is one of those wanted, or nothing is known or wanted."""
    if not language or not wanted:
        return True
    tag = language.casefold()
    return any(tag == w.casefold() or tag.startswith(f"{w.casefold()}-") for w in wanted)
