"""Whatever a file holds, it is read or refused by an error of ours; what is read is stable."""

import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from steerlm_jobs.contract.errors import StageError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.inspect import run_inspect
from steerlm_jobs.data.readers.raw import RawConversation
from steerlm_jobs.data.readers.source import SourceReader
from tests.unit.data.builders import a_pair, a_question, a_rating, a_tree, an_answer, written

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

texts = st.text(max_size=8)
spoken = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=":"), min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["prompt", "response", "chosen", "rejected", "turns", "message_tree_id", "helpfulness"]
)
nodes = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["prompter", "assistant"]) | values,
            "text": texts | values,
            "message_id": values,
            "lang": values,
            "labels": st.dictionaries(texts, st.fixed_dictionaries({"value": values})) | values,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"role": st.sampled_from(["prompter", "assistant"]), "text": texts},
        optional={"replies": st.lists(inner | values, max_size=3), "deleted": values},
    ),
    max_leaves=6,
)
names_of_messages = st.sampled_from(["1", "2", "3"]) | values
message_rows = st.fixed_dictionaries(
    {
        "message_id": names_of_messages,
        "message_tree_id": st.sampled_from(["t", "u"]) | values,
        "role": st.sampled_from(["prompter", "assistant"]),
        "text": texts,
    },
    optional={
        "parent_id": names_of_messages,
        "labels": st.fixed_dictionaries(
            {"name": st.lists(texts, max_size=2), "value": st.lists(st.floats(0, 1) | values)}
        )
        | values,
        "deleted": values,
    },
)
records = (
    st.dictionaries(names | texts, values, max_size=5)
    | st.fixed_dictionaries({"prompt": nodes}, optional={"message_tree_id": values})
    | message_rows
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


def read_or_refused(path: Path, form: DataFormat = DataFormat.AUTO) -> None:
    for as_json in (True, False):
        try:
            text = run_inspect(str(path), form.value, None, as_json=as_json)
        except StageError as error:
            text = str(error).replace("\n", "\ud800")  # an error is one line
        assert text.encode()


@given(st.binary(max_size=200))
@example(b"\x1f\x8b")
@example(b"\x28\xb5\x2f\xfd")
@example(b"\x28\xb5\x2f\xfd\x00\x00")
@example(b'{"prompt": "\\ud800"}')
@example(b"PAR1")
@example(b"PAR1\x00\x00\x00\x00PAR1")
def test_any_bytes_are_read_or_refused(folder, data):
    path = folder / "bytes.jsonl"
    path.write_bytes(data)
    read_or_refused(path)


@given(st.data())
def test_a_damaged_parquet_file_is_read_or_refused(folder, data):
    path = folder / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([a_rating("q", "a", helpfulness=3)] * 3), path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    read_or_refused(path)


@given(st.lists(records, min_size=1, max_size=3), st.sampled_from(DataFormat))
def test_any_records_are_read_or_refused(folder, rows, form):
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    read_or_refused(path, form)


@given(st.lists(records, min_size=1, max_size=5))
def test_what_is_read_is_whole_and_the_same_each_time(folder, rows):
    reader = SourceReader(written(folder / "same.jsonl", rows))
    try:
        first, drops = list(reader.conversations()), reader.drops.as_dict()
    except StageError:
        return
    assert (list(reader.conversations()), reader.drops.as_dict()) == (first, drops)
    for conversation in first:
        roles = [turn.role for turn in conversation.turns]
        assert roles == [Role.USER, Role.ASSISTANT] * (len(roles) // 2)
        for turn in conversation.turns:
            assert turn.text
            assert turn.text == turn.text.strip()
            assert turn.message_id


pairs_of_turns = st.lists(
    st.tuples(spoken, spoken).filter(lambda p: p[0].strip() and p[1].strip()),
    min_size=1,
    max_size=3,
)


def as_pair(turns: list[tuple[str, str]]) -> dict:
    return a_pair("".join(f"\n\nHuman: {q}\n\nAssistant: {a}" for q, a in turns), "")


def as_tree(turns: list[tuple[str, str]]) -> dict:
    node: dict | None = None
    for question, answer in reversed(turns):
        below = an_answer(answer, *([node] if node else []), message_id=None)
        node = a_question(question, below, message_id=None)
    assert node is not None
    return a_tree(node)


def the_texts(conversation: RawConversation) -> list[str]:
    return [turn.text for turn in conversation.turns]


@given(pairs_of_turns)
def test_conversations_written_in_a_format_are_read_back(folder, turns):
    expected = [text.strip() for pair in turns for text in pair]
    (tree,) = SourceReader(written(folder / "t.jsonl", [as_tree(turns)])).conversations()
    (pair,) = SourceReader(written(folder / "p.jsonl", [as_pair(turns)])).conversations()
    assert the_texts(tree) == expected
    assert the_texts(pair) == expected
    assert [t.message_id for t in tree.turns] == [t.message_id for t in pair.turns]
    rating = written(folder / "r.jsonl", [a_rating(*turns[0])])
    (rated,) = SourceReader(rating).conversations()
    assert the_texts(rated) == expected[:2]
