"""OASST's flat form, as its Parquet files have it: a message a row, put together to trees again.

Rows may come in any order and from several files, so they wait on disk: memory holds one tree.
"""

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.readers.fields import kind_of, text_field, writable
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.oasst import message_of
from steerlm_jobs.data.readers.raw import Drop, Drops
from steerlm_jobs.data.scratch_database import scratch_database

_FLAGS: Final = ("deleted", "review_result")
_TABLE: Final = """
CREATE TABLE message (tree INTEGER, row INTEGER, place TEXT, json TEXT, PRIMARY KEY (tree, row))
WITHOUT ROWID
"""


def is_message_row(value: dict[str, Any]) -> bool:  # Any: JSON
    """Return True for a message that names its tree and its parent, instead of holding replies."""
    return {"message_id", "message_tree_id", "role"} <= value.keys()


def trees(records: Iterable[Record], drops: Drops) -> Iterator[Record]:
    """Yield trees as they come, and after them those that rows of messages make up.

    Raises:
        BadInputError: A row is no message.
    """
    with closing(scratch_database(_TABLE)) as waiting:
        waiting.execute("CREATE TABLE tree (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        for number, record in enumerate(records):
            if is_message_row(record.value):
                _keep(waiting, number, record)
            else:
                yield record
        rows = waiting.execute("SELECT tree, place, json FROM message ORDER BY tree, row")
        for _tree, group in itertools.groupby(rows, key=lambda row: row[0]):
            messages = [(place, json.loads(text)) for _, place, text in group]
            yield from _put_together(messages, drops)


def _keep(waiting: sqlite3.Connection, number: int, record: Record) -> None:
    """Check a row and store what counts of it, under the number of its tree's first row."""
    tree = text_field(record.value, "message_tree_id", record.place)
    waiting.execute("INSERT OR IGNORE INTO tree VALUES (?, ?)", (tree, number))
    (first,) = waiting.execute("SELECT number FROM tree WHERE name = ?", (tree,)).fetchone()
    text = json.dumps(_message(record))
    waiting.execute("INSERT INTO message VALUES (?, ?, ?, ?)", (first, number, record.place, text))


def _message(record: Record) -> dict[str, Any]:  # Any: JSON
    value = record.value
    checked = message_of(value, record.place)
    parent = value.get("parent_id")
    if parent is not None and not isinstance(parent, str):
        msg = f"{record.place}: field 'parent_id' is {kind_of(parent)}, not text or null"
        raise BadInputError(msg)
    return {
        **{name: value.get(name) is True for name in _FLAGS},
        "role": value["role"],
        "message_id": text_field(value, "message_id", record.place),
        "parent_id": None if parent is None else writable(parent).strip(),
        "text": checked.text,
        "lang": checked.language,
        "labels": {name: {"value": level} for name, level in checked.labels.items()},
    }


def _put_together(messages: list[tuple[str, dict[str, Any]]], drops: Drops) -> Iterator[Record]:
    """Yield the tree of each message without a parent, replies in the order of their rows."""
    nodes: dict[str, dict[str, Any]] = {}  # Any: JSON
    for _place, message in messages:
        if nodes.setdefault(message["message_id"], message) is not message:
            drops.add(Drop.DUPLICATE)
    for node in nodes.values():
        if node["parent_id"] in nodes:
            nodes[node["parent_id"]].setdefault("replies", []).append(node)
    num_placed = 0
    for place, message in messages:
        if message["parent_id"] is None and nodes[message["message_id"]] is message:
            num_placed += _size(message)
            yield Record(place, {"prompt": message})
    if num_placed < len(nodes):
        drops.add(Drop.ORPHAN, len(nodes) - num_placed)


def _size(root: dict[str, Any]) -> int:  # Any: JSON
    number, waiting = 0, [root]
    while waiting:
        number += 1
        waiting += waiting.pop().get("replies", [])
    return number
