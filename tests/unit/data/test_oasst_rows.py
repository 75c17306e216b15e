"""OASST's flat form gives the conversations of its trees; Parquet those of JSON Lines."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.readers.source import SourceReader
from tests.unit.data.builders import a_pair, a_rating, shared_file, written
from tests.unit.data.test_dialogue_readers import said
from tests.unit.data.test_readers import read, refusal


def a_row(
    name: str, parent: str | None = None, *, tree: str = "t", **fields: Any
) -> dict[str, Any]:
    role = "assistant" if name.startswith("a") else "prompter"
    row = {"message_id": name, "parent_id": parent, "message_tree_id": tree}
    return {**row, "text": f"text {name}", "role": role, **fields}


def as_parquet(path: Path, rows: list[dict[str, Any]], **settings: Any) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, **settings)
    return path


def flat(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a real tree as the hub has them: labels as three lists side by side."""
    rows, waiting = [], [(tree["prompt"], None)]
    while waiting:
        node, parent = waiting.pop(0)
        labels = node.get("labels")
        lists = None
        if labels is not None:
            lists = {
                "name": list(labels),
                "value": [entry["value"] for entry in labels.values()],
                "count": [entry["count"] for entry in labels.values()],
            }
        rows.append(
            {
                "message_id": node["message_id"],
                "parent_id": parent,
                "text": node["text"],
                "role": node["role"],
                "lang": node.get("lang"),
                "review_result": node.get("review_result"),
                "deleted": node.get("deleted"),
                "message_tree_id": tree["message_tree_id"],
                "labels": lists,
            }
        )
        waiting += [(reply, node["message_id"]) for reply in node["replies"]]
    return rows


def conversations(path: Path) -> set[tuple[Any, ...]]:
    """Every distinct conversation (the real file holds a tree twice) but for its place."""
    found = SourceReader(path).conversations()
    return {
        tuple((t.role, t.text, t.message_id, t.language, tuple(t.labels.items())) for t in c.turns)
        for c in found
    }


def test_real_trees_in_the_flat_form_give_the_same_conversations(tmp_path):
    real = shared_file("oasst2_labelled_trees.jsonl.gz")
    with gzip.open(real, "rt") as file:
        rows = [row for line in file for row in flat(json.loads(line))]
    folder = tmp_path / "oasst2/data"
    folder.mkdir(parents=True)
    # as the hub has them: several files; a tree may reach across two
    as_parquet(folder / "train-00000-of-00002.parquet", rows[:400], compression="zstd")
    as_parquet(folder / "train-00001-of-00002.parquet", rows[400:])
    assert SourceReader(tmp_path / "oasst2").format() is DataFormat.OASST
    expected = conversations(real)
    assert len(expected) > 300
    assert conversations(tmp_path / "oasst2") == expected
    assert conversations(as_parquet(tmp_path / "back.parquet", rows[::-1])) == expected


def test_rows_of_messages_are_read_in_any_order(tmp_path):
    rows = [a_row("a2", "q"), a_row("b", None, tree="u"), a_row("a1", "q"), a_row("q")]
    texts, drops = read(tmp_path, *rows)
    assert texts == [["text q", "text a2"], ["text q", "text a1"]]
    assert drops == {"singleMessage": 1}


def test_messages_without_what_they_answer_are_counted(tmp_path):
    rows = [
        a_row("q"),
        a_row("a", "q"),
        a_row("a", "q"),
        a_row("a-lost", "gone"),
        a_row("q-below", "a-lost"),
        a_row("a-x", "a-y"),
        a_row("a-y", "a-x"),
    ]
    assert read(tmp_path, *rows) == ([["text q", "text a"]], {"orphan": 4, "duplicate": 1})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": None}, "rows.jsonl:2: field 'text' is null, not text"),
        ({"role": "narrator"}, "rows.jsonl:2: role 'narrator' of a message is neither"),
        ({"parent_id": 3}, "rows.jsonl:2: field 'parent_id' is int, not text or null"),
        ({"message_tree_id": None}, "rows.jsonl:2: field 'message_tree_id' is null"),
        (
            {"labels": {"name": ["quality"], "value": [], "count": []}},
            "rows.jsonl:2: 'labels' has 1 names and 0 values",
        ),
        (
            {"labels": {"name": ["quality"], "value": [1.5], "count": [1]}},
            "rows.jsonl:2: label 'quality' is 1.5, outside OASST's 0..1",
        ),
    ],
)
def test_a_row_that_is_no_message_is_named(tmp_path, fields, message):
    assert refusal(tmp_path, a_row("q"), a_row("a", "q", **fields)).startswith(message)


@pytest.mark.parametrize(
    "row",
    [
        a_rating("q", "a", helpfulness=3, correctness=None, verbosity=0),
        a_pair("\n\nHuman: q\n\nAssistant: a", "\n\nHuman: q\n\nAssistant: b"),
        said(("human", "q"), ("gpt", "a")) | {"id": "identity_0"},
        {"prompt": "q"},
    ],
)
def test_parquet_gives_the_conversations_of_json_lines(tmp_path, row):
    lines = SourceReader(written(tmp_path / "rows.jsonl", [row]))
    table = SourceReader(as_parquet(tmp_path / "rows.parquet", [row]))
    assert table.format() is lines.format()
    assert [c.turns for c in table.raw()] == [c.turns for c in lines.raw()]
    assert [c.place for c in table.raw()][:1] == [f"{tmp_path}/rows.parquet:row 1"]


def test_a_cut_parquet_file_is_refused(tmp_path):
    path = as_parquet(tmp_path / "rows.parquet", [a_rating("q", "a", helpfulness=3)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInputError, match=r"rows.parquet: cannot be read after row 0: the file"):
        SourceReader(path).format()


def test_a_file_that_is_parquet_in_name_only_is_refused(tmp_path):
    path = written(tmp_path / "rows.parquet", [a_rating("q", "a", helpfulness=3)])
    with pytest.raises(BadInputError, match="not a Parquet file although its name says so"):
        SourceReader(path).format()


def test_a_value_of_another_kind_in_parquet_is_named_with_its_row(tmp_path):
    rows = [a_rating("q", "a", helpfulness=3), a_rating("r", "b", helpfulness=1)]
    path = as_parquet(tmp_path / "rows.parquet", [row | {"response": 1} for row in rows])
    with pytest.raises(BadInputError, match=r"rows.parquet:row 1: field 'response' is int"):
        list(SourceReader(path).raw())
