from dataclasses import replace

import torch

from steerlm_jobs.train.acsft_data import (
    AcsftRows,
    RowReader,
    level_counts,
    untrained_levels,
)
from steerlm_jobs.train.apm_data import apm_rows, mean_labels
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)


def with_ids(conversation, *ids):
    turns = zip(conversation.turns, ids, strict=True)
    return replace(conversation, turns=tuple(replace(t, message_id=i) for t, i in turns))


def test_one_regression_row_for_each_labelled_answer():
    rows = apm_rows([THREE_TURNS], a_tokenizer(), SCHEMA, 4096)
    assert [e.known_A.tolist() for e in rows.examples] == [[True, True], [False, True]]
    torch.testing.assert_close(rows.examples[0].labels_A, torch.tensor([0.75, 0.3]))
    assert [e.weight for e in rows.examples] == [2, 1]
    assert all(e.ids[-1] == a_tokenizer().label_id for e in rows.examples)


def test_an_answer_shared_by_two_paths_counts_once():
    start = (user("?"), assistant("Yes.", quality=1))
    one = with_ids(a_conversation(*start, user("a"), assistant("b", quality=2)), *"qrst")
    two = with_ids(a_conversation(*start, user("c"), assistant("d", quality=3)), *"qruv")
    rows = apm_rows([one, two], a_tokenizer(), SCHEMA, 4096)
    assert len(rows.examples) == 3
    assert rows.dropped == {"duplicate": 1, "tooLong": 0}


def test_an_answer_of_two_sources_has_the_labels_of_both_and_the_first_stands():
    turns = (user("?"), assistant("Yes.", quality=1))
    other = (user("?"), assistant("Yes.", quality=4, humor=9))
    one, two = (with_ids(a_conversation(*of_source), *"qr") for of_source in (turns, other))
    (row,) = apm_rows([one, two], a_tokenizer(), SCHEMA, 4096).examples
    assert row.known_A.tolist() == [True, True]
    torch.testing.assert_close(row.labels_A, torch.tensor([0.25, 1.0]))


def test_rows_without_message_ids_are_never_duplicates():
    same = a_conversation(user("?"), assistant("Yes.", quality=1))
    assert len(apm_rows([same, same], a_tokenizer(), SCHEMA, 4096).examples) == 2


def test_the_bias_starts_at_the_means_of_known_labels():
    rows = apm_rows([THREE_TURNS], a_tokenizer(), SCHEMA, 4096)
    torch.testing.assert_close(mean_labels(rows.examples, 2), torch.tensor([0.75, (0.3 + 1) / 2]))
    torch.testing.assert_close(mean_labels([], 2), torch.tensor([0.5, 0.5]))


def test_what_cannot_be_learnt_is_dropped_and_counted():
    rows = AcsftRows()
    reader = RowReader(a_tokenizer(), SCHEMA, TARGETS, 60)
    reader.add(
        rows,
        [
            a_conversation(user("?")),
            a_conversation(user("word " * 80), assistant("x")),
            a_conversation(user("?"), assistant("Yes.", quality=3, humor=-1)),
        ],
    )
    assert (len(rows.examples), rows.dropped) == (1, 2)
    assert rows.levels == {("quality", 3): 1, ("humor", -1): 1}


def test_levels_that_never_occur_are_counted_as_zero():
    counts = level_counts({("quality", 3): 50, ("humor", 0): 9}, SCHEMA)
    assert counts["quality"] == {0: 0, 1: 0, 2: 0, 3: 50, 4: 0}
    assert untrained_levels(counts, 50)["quality"] == [0, 1, 2, 4]
    assert untrained_levels(counts, 0) == {}
