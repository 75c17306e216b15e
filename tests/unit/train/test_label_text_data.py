import torch

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.train.apm_data import apm_rows
from steerlm_jobs.train.label_text_data import LabelTextExample, label_groups, label_text_rows
from tests.unit.template.builders import (
    SCHEMA,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)

NAMES = ("quality", "toxicity", "humor", "helpfulness", "verbosity")
FIVE = Schema(tuple(Attribute(name=name) for name in NAMES))


def labelled(count: int, *names: str) -> list[LabelTextExample]:
    """Return rows with labels of these attributes."""
    known_A = torch.tensor([name in names for name in NAMES])
    ids, mask = torch.tensor([1, 2]), torch.tensor([False, True])
    return [LabelTextExample(ids, mask, torch.zeros(5), known_A, "s")] * count


def test_a_row_is_the_scoring_form_and_the_known_labels_as_text():
    tokenizer = a_tokenizer()
    rows = label_text_rows([THREE_TURNS], tokenizer, SCHEMA, 4096).examples
    scored = apm_rows([THREE_TURNS], tokenizer, SCHEMA, 4096).examples
    texts = ("quality:3,humor:2\n", "humor:9\n")
    for row, regression, text in zip(rows, scored, texts, strict=True):
        said = tokenizer.text_ids(text)
        assert row.ids.tolist() == [*regression.ids.tolist(), *said]
        assert row.prompt == tuple(regression.ids.tolist())
        assert row.ids[row.loss_mask].tolist() == list(said)
        assert row.weight == len(said)
        torch.testing.assert_close(row.labels_A, regression.labels_A)
        assert row.known_A.equal(regression.known_A)


def test_labels_of_no_attribute_of_the_run_are_not_written():
    one = a_conversation(user("?"), assistant("Yes.", quality=1, wit=3))
    (row,) = label_text_rows([one], a_tokenizer(), SCHEMA, 4096).examples
    assert row.ids[row.loss_mask].tolist() == list(a_tokenizer().text_ids("quality:1\n"))


def test_what_leaves_no_room_for_its_labels_is_dropped_and_counted():
    tokenizer = a_tokenizer()
    one = a_conversation(user("?"), assistant("Yes.", quality=1))
    fitting = len(label_text_rows([one], tokenizer, SCHEMA, 4096).examples[0].ids)
    rows = label_text_rows([one, one], tokenizer, SCHEMA, fitting - 1)
    assert (rows.examples, rows.dropped) == ([], {"duplicate": 0, "tooLong": 2})


def test_sources_that_share_no_row_are_groups_of_their_own():
    rows = [
        *labelled(90, "quality", "toxicity", "humor"),
        *labelled(20, "quality", "toxicity"),
        *labelled(100, "helpfulness", "verbosity"),
    ]
    expected = (("quality", "toxicity", "humor"), ("helpfulness", "verbosity"))
    assert label_groups(rows, FIVE) == expected
    assert label_groups(rows[::-1], FIVE) == expected


def test_an_attribute_is_asked_for_beside_those_it_mostly_stands_with():
    rows = [
        *labelled(100, "quality", "humor"),
        *labelled(80, "helpfulness", "verbosity"),
        *labelled(5, *NAMES),
    ]
    assert label_groups(rows, FIVE) == (
        ("quality", "humor"),
        ("helpfulness", "verbosity"),
        NAMES,
    )


def test_an_attribute_without_any_label_stands_alone():
    rows = labelled(3, "quality", "humor")
    assert label_groups(rows, FIVE) == (
        ("quality", "humor"),
        ("toxicity",),
        ("helpfulness",),
        ("verbosity",),
    )
