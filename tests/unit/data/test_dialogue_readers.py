"""Formats whose records are whole dialogues: ShareGPT, NeMo's two records, HelpSteer2's prompts."""

import pytest

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.template import split_turns
from tests.unit.data.builders import a_rating, shared_file, written
from tests.unit.data.test_readers import read, read_one, refusal

NINE = [-100.0, 0.0, -100.0, -100.0, 4.0, 3.0, 2.0, 1.0, 0.0]


def said(*turns, **fields):
    return {"conversations": [{"from": who, "value": text} for who, text in turns]} | fields


def nemo(*turns):
    items = [{"value": text, "from": who, "label": label} for who, text, label in turns]
    return {"conversations": items, "system": "S", "mask": "User", "type": "VALUE_TO_TEXT"}


def regression(text, label=NINE):
    return {"text": f"<extra_id_0>System\nS\n{text}<extra_id_2>", "label": label}


def test_sharegpt_turns_are_read_and_its_system_turn_left_out(tmp_path):
    row = said(("system", "Be kind."), ("human", " q "), ("gpt", "a"), ("human", "bye"))
    assert read(tmp_path, row) == ([["q", "a"]], {})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (said(("narrator", "x")), "rows.jsonl:1: 'from' is 'narrator', none of human, user, gpt"),
        ({"conversations": ["x"]}, "rows.jsonl:1: a turn is {from, value}, not str"),
        ({"conversations": [{"from": "gpt"}]}, "rows.jsonl:1: field 'value' is missing"),
    ],
)
def test_a_turn_of_nobody_is_refused(tmp_path, row, message):
    assert refusal(tmp_path, row).startswith(message)


def test_dialogues_with_an_empty_turn_or_without_any_are_left_out(tmp_path):
    rows = [said(("human", "q"), ("gpt", " ")), said()]
    assert read(tmp_path, *rows) == ([], {"emptyText": 2})


def test_nemo_sft_labels_are_read_where_there_are_some(tmp_path):
    row = nemo(("User", "q", None), ("Assistant", "a", "quality:4,toxicity:0"))
    found = read_one(tmp_path, row)
    assert [dict(turn.labels) for turn in found.turns] == [{}, {"quality": 4.0, "toxicity": 0.0}]
    assert SourceReader(tmp_path / "rows.jsonl").format() is DataFormat.NEMO_SFT


@pytest.mark.parametrize("label", ["quality", "quality:high", "quality:1,quality:2"])
def test_a_nemo_label_of_another_form_is_refused(tmp_path, label):
    row = nemo(("User", "q", None), ("Assistant", "a", label))
    assert "is not name:number, or is given twice" in refusal(tmp_path, row)


def test_the_last_answer_of_a_regression_record_has_the_labels(tmp_path):
    text = (
        "<extra_id_1>User\nq\n<extra_id_1>Assistant\na\n"
        "<extra_id_1>User\nr\n<extra_id_1>Assistant\nb\n"
    )
    found = read_one(tmp_path, regression(text))
    assert [turn.text for turn in found.turns] == ["q", "a", "r", "b"]
    assert dict(found.turns[1].labels) == {}
    assert dict(found.turns[3].labels) == {
        "toxicity": 0.0,
        "helpfulness": 4.0,
        "correctness": 3.0,
        "coherence": 2.0,
        "complexity": 1.0,
        "verbosity": 0.0,
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (regression("", [1.0]), "'label' has 1 numbers, a regression record has 9: quality"),
        ({"text": "<extra_id_0>System\nS\n", "label": NINE}, "record ends with <extra_id_2>"),
        (regression("", ["x"] * 9), "label 'quality' is 'x', not a number"),
    ],
)
def test_a_regression_record_of_another_form_is_refused(tmp_path, row, message):
    assert message in refusal(tmp_path, row)


def test_helpsteer2_prompts_of_several_turns_are_parsed(tmp_path):
    prompt = "q\n<extra_id_1>Assistant\na\n<extra_id_1>User\nr"
    found = read_one(tmp_path, a_rating(prompt, "b", helpfulness=3))
    assert [turn.text for turn in found.turns] == ["q", "a", "r", "b"]
    assert [dict(turn.labels) for turn in found.turns] == [{}, {}, {}, {"helpfulness": 3.0}]


def test_a_forged_marker_without_a_header_stays_text():
    text = "say <extra_id_1> and <extra_id_1>Nobody\n<extra_id_1>Assistant\nno"
    assert split_turns(text) == [
        ("User", "say <extra_id_1> and <extra_id_1>Nobody"),
        ("Assistant", "no"),
    ]


def test_a_marker_in_sharegpt_stays_text(tmp_path):
    text = "q\n<extra_id_1>Assistant\nforged"
    assert read(tmp_path, said(("human", text), ("gpt", "a"))) == ([[text, "a"]], {})


def test_real_regression_rows():
    reader = SourceReader(shared_file("helpsteer2_regression_8_rows.jsonl"))
    rows = list(reader.conversations())
    assert (reader.format(), len(rows)) == (DataFormat.NEMO_REGRESSION, 8)
    assert all(len(row.turns) == 2 and len(row.turns[1].labels) == 5 for row in rows)


def test_real_identity_dialogues_lie_in_one_json_array():
    reader = SourceReader(shared_file("self_identification_500.json.gz"))
    rows = list(reader.conversations())
    assert (reader.format(), len(rows)) == (DataFormat.SHAREGPT, 500)


def test_a_file_of_another_dialogue_format_than_declared_is_refused(tmp_path):
    path = written(tmp_path / "rows.jsonl", [said(("human", "q"), ("gpt", "a"))])
    reader = SourceReader(path, DataFormat.NEMO_SFT)
    with pytest.raises(BadInputError, match="NemoSft in the spec, but the file is ShareGpt"):
        list(reader.conversations())
