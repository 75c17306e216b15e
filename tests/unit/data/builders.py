"""Records of others' formats, with only what a test is about."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[4] / "shared/data"


def shared_file(name: str) -> Path:
    """A real file; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not there: real data are not part of the project")
    return path


def a_message(
    role: str,
    text: str,
    *replies: dict[str, Any],
    labels: dict[str, float] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    message = {"role": role, "text": text, "message_id": f"id-{text}", "replies": list(replies)}
    if labels is not None:
        message["labels"] = {name: {"value": v, "count": 3} for name, v in labels.items()}
    return message | fields


def a_question(text: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return a_message("prompter", text, *replies, **fields)


def an_answer(text: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return a_message("assistant", text, *replies, **fields)


def a_tree(root: dict[str, Any], name: str = "tree") -> dict[str, Any]:
    return {"message_tree_id": name, "tree_state": "ready_for_export", "prompt": root}


def a_rating(prompt: str, response: str, **labels: int | None) -> dict[str, Any]:
    return {"prompt": prompt, "response": response} | labels


def a_pair(chosen: str, rejected: str) -> dict[str, Any]:
    return {"chosen": chosen, "rejected": rejected}


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """The rows as JSON Lines; packed if the name says so."""
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path
