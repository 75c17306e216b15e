from dataclasses import replace

import pytest
import torch

from steerlm_jobs.process.ranks import Alone
from steerlm_jobs.train.acsft_data import AcsftRows, RowReader
from steerlm_jobs.train.shared_rows import read_shares, shared_rows, write_share
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)
from tests.unit.train.builders import a_context

READER = RowReader(a_tokenizer(), SCHEMA, TARGETS, 60)
CONVERSATIONS = [
    a_conversation(user("?"), assistant("Yes.", quality=3, humor=-1)),
    a_conversation(user("word " * 80), assistant("x")),
    replace(a_conversation(user("Why?"), assistant("No.", quality=1)), source="other", system="B"),
    replace(THREE_TURNS, source="third"),
    a_conversation(user("How?"), assistant("So.", quality=3)),
]


class OneOfTwo(Alone):
    """The first of two ranks; the other makes its share while this one waits for it."""

    size = 2

    def __init__(self, other):
        self._other = other

    def any_of(self, *flags):
        self._other()
        return flags


def made_alone():
    rows = AcsftRows()
    READER.add(rows, CONVERSATIONS)
    return rows


def assert_same(rows, expected):
    assert (rows.dropped, rows.levels) == (expected.dropped, expected.levels)
    assert list(rows.systems.items()) == list(expected.systems.items())
    assert [e.source for e in rows.examples] == [e.source for e in expected.examples]
    for example, other in zip(rows.examples, expected.examples, strict=True):
        torch.testing.assert_close(example.ids, other.ids)
        torch.testing.assert_close(example.loss_mask, other.loss_mask)


@pytest.mark.parametrize("num_shares", [1, 2, 3, 7])
def test_shares_of_the_work_make_the_rows_that_one_process_makes(tmp_path, num_shares):
    for share in range(num_shares):
        write_share(tmp_path, share, map(READER.row, CONVERSATIONS[share::num_shares]))
    assert_same(read_shares(tmp_path, num_shares), made_alone())


def test_each_rank_of_a_node_makes_its_share_and_reads_all(tmp_path):
    context = a_context(tmp_path, processes_per_node=2)

    def other():
        folder = context.scratch.parent / "train-rows-of-node-0"
        write_share(folder, 1, map(READER.row, CONVERSATIONS[1::2]))

    first = replace(context, ranks=OneOfTwo(other))
    assert_same(shared_rows(first, READER, iter(CONVERSATIONS), "train"), made_alone())


def test_one_process_alone_writes_nothing(tmp_path):
    context = a_context(tmp_path)
    assert_same(shared_rows(context, READER, iter(CONVERSATIONS), "train"), made_alone())
    assert list(context.scratch.parent.glob("*rows*")) == []
