import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.data.inspect import run_inspect
from tests.unit.data.builders import (
    a_pair,
    a_question,
    a_rating,
    a_tree,
    an_answer,
    shared_file,
    written,
)


def inspected(path: Path, **settings: Any) -> dict[str, Any]:
    text = run_inspect(
        str(path), settings.get("form", "Auto"), settings.get("tokenizer"), as_json=True
    )
    return json.loads(text)


def word_tokenizer(path: Path) -> str:
    """A token for each word and line break; all unknown, which counts as well."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(path / "tokenizer.json"))
    return str(path)


def test_messages_count_once_and_paths_as_often_as_they_end(tmp_path):
    tree = a_tree(
        a_question(
            "q",
            an_answer("a", a_question("x"), a_question("y"), labels={"quality": 0.375}),
            an_answer("bb"),
            labels={"quality": 1.0},
        )
    )
    path = written(tmp_path / "trees.jsonl.gz", [tree, a_tree(a_question("alone"))])
    assert inspected(path) == {
        "format": "Oasst",
        "conversations": 3,
        "distinct_conversations": 2,
        "assistant_messages": 2,
        "drops": {"singleMessage": 1},
        "attributes": {
            "quality": {
                "known": 1,
                "missing_share": 0.5,
                "histogram": {"0": 0, "1": 0, "2": 1, "3": 0, "4": 0},
            }
        },
        "lengths": {"p50": 2, "p95": 3, "max": 3, "over": None},
    }


def test_helpsteer_shows_its_five_labels_known_or_not(tmp_path):
    path = written(tmp_path / "rows.jsonl", [a_rating("q", "a", verbosity=4)])
    attributes = inspected(path)["attributes"]
    assert {name: figure["known"] for name, figure in attributes.items()} == {
        "helpfulness": 0,
        "correctness": 0,
        "coherence": 0,
        "complexity": 0,
        "verbosity": 1,
    }


def test_a_label_outside_the_scale_is_refused(tmp_path):
    path = written(tmp_path / "rows.jsonl", [a_rating("q", "a", verbosity=5)])
    with pytest.raises(BadInputError, match=r"/rows.jsonl:1: label 'verbosity' is 5, outside 0..4"):
        inspected(path)


def test_with_a_tokenizer_lengths_are_tokens_and_long_ones_are_counted(tmp_path):
    rows = [a_rating("one two", "three"), a_rating("one", "word " * 4096)]
    path = written(tmp_path / "rows.jsonl", rows)
    # Each turn begins with a marker and a name.
    assert inspected(path, tokenizer=word_tokenizer(tmp_path))["lengths"] == {
        "p50": 7,
        "p95": 4101,
        "max": 4101,
        "over": 1,
    }


def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path):
    path = written(tmp_path / "rows.jsonl", [a_rating("q", "a")])
    (tmp_path / "tokenizer.json").write_text("{}")
    for place in (tmp_path, tmp_path / "tokenizer.json", tmp_path / "nowhere"):
        with pytest.raises(BadConfigError) as caught:
            inspected(path, tokenizer=str(place))
        assert str(place) in str(caught.value)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(BadConfigError, match="format 'Csv' is unknown; known: Auto, Oasst"):
        inspected(tmp_path, form="Csv")


def test_the_table_says_the_same_for_people(tmp_path):
    pair = a_pair("\n\nHuman: q\n\nAssistant: a", "\n\nHuman: q\n\nAssistant:")
    path = written(tmp_path / "[red]pairs.jsonl", [pair])
    assert run_inspect(str(path), "HhRlhf", None, as_json=False).splitlines() == [
        f"{path}: HhRlhf, 1 conversations (1 distinct), 1 assistant messages",
        "length in characters: p50 2, p95 2, max 2",
        "left out: singleMessage 1",
        "no labels",
    ]
    rows = written(tmp_path / "rows.jsonl", [a_rating("q", "a", verbosity=4)])
    table = run_inspect(str(rows), "Auto", None, as_json=False)
    assert "│ verbosity   │ 1     │ 0%      │ 0 │ 0 │ 0 │ 0 │ 1 │" in table


def counts(name: str) -> tuple[Any, ...]:
    found = inspected(shared_file(name))
    names = ("format", "conversations", "distinct_conversations", "assistant_messages", "drops")
    return tuple(found[n] for n in names)


def test_real_labelled_trees():
    """Of 418 paths, 40 are a question without an answer."""
    name = "oasst2_labelled_trees.jsonl.gz"
    assert counts(name) == ("Oasst", 378, 367, 475, {"singleMessage": 40})
    quality = inspected(shared_file(name))["attributes"]["quality"]
    assert quality["histogram"] == {"0": 21, "1": 56, "2": 100, "3": 194, "4": 99}
    assert (quality["known"], quality["missing_share"]) == (470, pytest.approx(5 / 475))


def test_real_unlabelled_trees():
    assert counts("oasst_unlabelled_trees.jsonl.gz") == ("Oasst", 626, 564, 687, {})


def test_real_pairs():
    assert counts("hh_rlhf_harmless_pairs.jsonl.gz") == ("HhRlhf", 1000, 1000, 1738, {})


@pytest.mark.parametrize("name", ["vicuna_80_prompts.jsonl", "mt_bench_80_prompts.jsonl"])
def test_real_prompts(name):
    assert counts(name) == ("Prompts", 80, 80, 0, {})


def test_real_rows_of_dialogues():
    assert counts("helpsteer2_regression_8_rows.jsonl") == ("NemoRegression", 8, 8, 8, {})
    found = counts("self_identification_500.json.gz")
    assert (found[0], found[1], found[4]) == ("ShareGpt", 500, {})
