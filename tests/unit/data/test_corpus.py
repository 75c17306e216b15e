"""The data sets that prepare writes, without the model that it marks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import DEFAULT_NAMES, Attribute
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, InterruptedStageError
from steerlm_jobs.contract.recipes import DataFormat, LabelSource, Meter, PrepareRecipe, Source
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.corpus import Found, file_name, write_corpus
from steerlm_jobs.data.evaluation_prompts import (
    PromptCounts,
    write_prompts_of_file,
    write_prompts_of_validation,
)
from steerlm_jobs.data.labelling import check_labels
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.split import TRAIN, VALIDATION, split_of
from steerlm_jobs.data.sufficiency import drop_other_labels, sufficient_schema
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.jsonl import read_jsonl
from tests.unit.data.builders import a_question, a_rating, a_tree, an_answer, written

QUALITY, HELPFULNESS = Attribute(name="quality"), Attribute(name="helpfulness")
VERBOSITY = Attribute(name="verbosity", optional=True)


def a_recipe(*sources: Source, **fields: Any) -> PrepareRecipe:
    defaults: dict[str, Any] = {
        "attributes": (QUALITY, HELPFULNESS, VERBOSITY),
        "labelled": sources,
        "min_labels": 1,
        "validation_fraction": 0.3,
        "system_prompt": "Be kind.",
    }
    return PrepareRecipe(**defaults | fields)


def corpus(recipe: PrepareRecipe, folder: Path, **rows: Sequence[dict[str, Any]]) -> Found:
    roots = {n: written(folder / f"{n}.jsonl", found) for n, found in rows.items()}
    return write_corpus(recipe, roots, folder / "content", StopFlag(), ProgressWriter())


def conversations(folder: Path, part: str = "labelled") -> list[Conversation]:
    files = [folder / "content" / file_name(part, split) for split in (TRAIN, VALIDATION)]
    return [Conversation.from_json(row) for file in files for row in read_jsonl(file)]


def ratings(number: int, **labels: int) -> list[dict[str, Any]]:
    return [a_rating(f"question {i}", f"answer {i}", **labels) for i in range(number)]


def labels_of(folder: Path) -> list[dict[str, int]]:
    return [
        dict(turn.labels)
        for row in conversations(folder)
        for turn in row.turns
        if turn.role is Role.ASSISTANT
    ]


def test_conversations_are_written_to_the_split_of_their_group(tmp_path):
    recipe = a_recipe(Source(name="hs"), seed=3)
    found = corpus(recipe, tmp_path, hs=ratings(40, helpfulness=3))
    rows = conversations(tmp_path)
    assert {row.split for row in rows} == {TRAIN, VALIDATION}
    assert all(row.split == split_of(row.group, 3, 0.3) for row in rows)
    assert found.rows["labelled", TRAIN] + found.rows["labelled", VALIDATION] == 40
    assert list(read_jsonl(tmp_path / "content" / file_name("unlabelled", TRAIN))) == []


def test_oasst_means_go_on_the_scale_and_its_helpfulness_does_not_count(tmp_path):
    labels = {"quality": 0.625, "helpfulness": 1.0, "spam": 0.0}
    tree = a_tree(a_question("q", an_answer("a", labels=labels), labels={"quality": 1.0}))
    corpus(a_recipe(Source(name="oasst")), tmp_path, oasst=[tree])
    (row,) = conversations(tmp_path)
    assert [dict(turn.labels) for turn in row.turns] == [{}, {"quality": 3}]
    assert (row.id, row.system) == ("oasst/id-a", "Be kind.")


def test_a_mapping_takes_the_place_of_equal_names(tmp_path):
    labels = {"quality": 0.625, "helpfulness": 1.0}
    tree = a_tree(a_question("q", an_answer("a", labels=labels)))
    mapping = (LabelSource(from_name="helpfulness", to="helpfulness"),)
    corpus(a_recipe(Source(name="oasst", labels=mapping)), tmp_path, oasst=[tree])
    assert labels_of(tmp_path) == [{"helpfulness": 4}]


def test_integers_are_taken_as_they_are_on_any_scale(tmp_path):
    recipe = a_recipe(Source(name="hs"), attributes=(Attribute(name="helpfulness", min=-3, max=9),))
    rows = [a_rating("q", "a", helpfulness=-3), a_rating("p", "b", helpfulness=9)]
    corpus(recipe, tmp_path, hs=rows)
    assert sorted(label["helpfulness"] for label in labels_of(tmp_path)) == [-3, 9]


def test_a_label_out_of_range_is_refused_with_its_place(tmp_path):
    rows = [*ratings(2, helpfulness=4), a_rating("q", "a", helpfulness=5)]
    with pytest.raises(BadInputError) as caught:
        corpus(a_recipe(Source(name="hs")), tmp_path, hs=rows)
    assert str(caught.value) == (
        f"{tmp_path}/hs.jsonl:3: label helpfulness is 5, outside 0..4 of attribute helpfulness; "
        "correct the data or the attribute's range"
    )


def test_levels_of_a_meter_are_quantiles_of_the_training_split(tmp_path):
    rows = [a_rating(f"question {i}", "word " * (i + 1)) for i in range(100)]
    mapping = (LabelSource(from_meter=Meter.WORDS, to="verbosity"),)
    found = corpus(a_recipe(Source(name="hs", labels=mapping)), tmp_path, hs=rows)
    levels = found.labels[TRAIN].levels["verbosity"]
    fifth = found.rows["labelled", TRAIN] / 5
    assert all(abs(levels[level] - fifth) <= 1 for level in range(5))
    by_length = sorted(
        (len(row.turns[1].text), row.turns[1].labels["verbosity"])
        for row in conversations(tmp_path)
    )
    assert [level for _, level in by_length] == sorted(level for _, level in by_length)


def test_equal_conversations_are_written_once_and_those_over_the_limit_not_at_all(tmp_path):
    source = Source(name="hs", max_conversations=3)
    found = corpus(a_recipe(source), tmp_path, hs=[*ratings(2), *ratings(5)])
    assert len(conversations(tmp_path)) == 3
    assert found.sources["hs"]["drops"] == {"duplicate": 2, "overLimit": 2}
    assert found.note(source) == "source hs: read as HelpSteer; left out: duplicate 2, overLimit 2"


def test_a_source_that_does_not_say_its_format_is_told_what_it_was_read_as(tmp_path):
    rows = ratings(3, helpfulness=1)
    for declared, note in (
        (DataFormat.AUTO, "source hs: read as HelpSteer"),
        (DataFormat.HELPSTEER, ""),
    ):
        source = Source(name="hs", format=declared)
        assert corpus(a_recipe(source), tmp_path / declared, hs=rows).note(source) == note


def test_each_answer_counts_once_however_many_paths_hold_it(tmp_path):
    tree = a_tree(
        a_question(
            "q",
            an_answer(
                "a",
                a_question("x", an_answer("b", labels={"quality": 1.0})),
                a_question("y", an_answer("c")),
                labels={"quality": 0.0},
            ),
        )
    )
    found = corpus(a_recipe(Source(name="oasst")), tmp_path, oasst=[tree])
    (counts,) = [c for c in found.labels.values() if c.num_messages]
    assert (counts.num_messages, counts.known("quality")) == (3, 2)


def test_statistics_count_labels_of_each_split_and_lengths(tmp_path):
    recipe = a_recipe(Source(name="hs"), attributes=(HELPFULNESS, VERBOSITY))
    rows = [a_rating(f"question {i:02}", "x" * i, helpfulness=i % 2 * 4) for i in range(1, 41)]
    found = corpus(recipe, tmp_path, hs=rows)
    told = found.statistics(Schema(recipe.attributes))
    written_rows = conversations(tmp_path)
    for split in (TRAIN, VALIDATION):
        answers = [row.turns[1] for row in written_rows if row.split == split]
        good = sum(turn.labels["helpfulness"] == 4 for turn in answers)
        assert told["attributes"][split] == {
            "helpfulness": {
                "known": len(answers),
                "missing_share": 0.0,
                "histogram": {"0": len(answers) - good, "1": 0, "2": 0, "3": 0, "4": good},
            },
            "verbosity": {
                "known": 0,
                "missing_share": 1.0,
                "histogram": dict.fromkeys("01234", 0),
            },
        }
        assert told["conversations"][f"labelled.{split}"] == len(answers)
    assert told["lengthsCharacters"] == {"p50": 11 + 20, "p95": 11 + 38, "max": 11 + 40}


def test_a_source_without_a_conversation_is_refused_with_what_was_left_out(tmp_path):
    with pytest.raises(BadInputError) as caught:
        corpus(a_recipe(Source(name="t")), tmp_path, t=[a_tree(a_question("q"))] * 3)
    assert str(caught.value) == ("source t: no conversation is left (left out: singleMessage 3)")


def test_a_mapping_from_a_label_that_occurs_nowhere_is_refused(tmp_path):
    mapping = (LabelSource(from_name="kindness", to="quality"),)
    with pytest.raises(BadInputError) as caught:
        corpus(a_recipe(Source(name="hs", labels=mapping)), tmp_path, hs=ratings(3, verbosity=1))
    assert str(caught.value) == (
        "source hs: label 'kindness' occurs nowhere in it; it has: verbosity"
    )


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([{"from_name": "a", "to": "wit"}], "wit names no attribute; known: quality, helpfulness"),
        ([{"from_name": "a", "to": "quality"}] * 2, "quality is given twice"),
        ([{"to": "quality"}], "quality needs exactly one of from and fromMeter"),
        (
            [{"to": "quality", "from_name": "a", "from_meter": "Words"}],
            "quality needs exactly one of from and fromMeter",
        ),
    ],
)
def test_a_wrong_mapping_is_refused(labels, problem):
    source = Source(name="hs", labels=tuple(LabelSource(**label) for label in labels))
    with pytest.raises(BadConfigError, match=f"source hs: .*to: {problem}$"):
        check_labels(source, Schema((QUALITY, HELPFULNESS)))


def test_a_stop_ends_reading_at_once(tmp_path):
    stop = StopFlag()
    stop.set()
    root = written(tmp_path / "hs.jsonl", ratings(3))
    with pytest.raises(InterruptedStageError):
        write_corpus(a_recipe(Source(name="hs")), {"hs": root}, tmp_path, stop, ProgressWriter())


# Are there enough labels?


def test_optional_attributes_without_labels_are_left_out_and_noted(tmp_path):
    recipe = a_recipe(Source(name="hs"), attributes=(HELPFULNESS, VERBOSITY), min_labels=20)
    rows = [*ratings(40, helpfulness=1), a_rating("q", "a", helpfulness=2, verbosity=3)]
    found, notes = corpus(recipe, tmp_path, hs=rows), Notes()
    schema = sufficient_schema(recipe, found, notes)
    assert schema.names == ("helpfulness",)
    (note,) = notes.lines
    assert note.startswith("attribute verbosity is left out: ")
    assert note.endswith("minLabels is 20")
    drop_other_labels(tmp_path / "content", schema)
    assert {tuple(labels) for labels in labels_of(tmp_path)} == {("helpfulness",)}
    assert len(conversations(tmp_path)) == 41


def test_too_few_labels_are_refused_with_attribute_and_count(tmp_path):
    recipe = a_recipe(Source(name="hs"), min_labels=100)
    found = corpus(recipe, tmp_path, hs=ratings(40, helpfulness=1))
    known = found.labels[TRAIN].known("helpfulness")
    with pytest.raises(BadInputError) as caught:
        sufficient_schema(recipe, found, Notes())
    assert str(caught.value) == (
        f"too few labels in the training split: quality (0), helpfulness ({known}); "
        "spec.data.minLabels is 100: add data, mark them optional: true, or lower it"
    )


def test_what_to_write_where_the_data_have_fewer_attributes_than_the_default(tmp_path):
    """HelpSteer rows under NeMo-Aligner's nine, which a spec without attributes has."""
    usual = tuple(Attribute(name=name) for name in DEFAULT_NAMES)
    more = (*usual, Attribute(name="formality", min=1, max=7))
    recipe = a_recipe(Source(name="hs"), min_labels=5, attributes=more)
    rows = ratings(60, helpfulness=1, correctness=2, coherence=2, complexity=2, verbosity=3)
    found = corpus(recipe, tmp_path, hs=rows)
    found.labels[TRAIN].levels["formality"] = Counter({7: 9})
    with pytest.raises(BadInputError) as caught:
        sufficient_schema(recipe, found, Notes())
    assert str(caught.value) == (
        "too few labels in the training split: quality (0), toxicity (0), humor (0),"
        " creativity (0); spec.data.minLabels is 5: add data, mark them optional: true, or lower"
        " it, or leave them out: attributes: [{name: helpfulness}, {name: correctness},"
        " {name: coherence}, {name: complexity}, {name: verbosity},"
        " {name: formality, min: 1, max: 7}]"
    )


@pytest.mark.parametrize(
    ("labels", "what_to_do"),
    [
        ({}, "; they have no labels at all: unlabelled data goes to spec.data.unlabelled"),
        (
            {"verbosity": 1, "coherence": 2},
            "; their labels are coherence, verbosity: name them under spec.attributes, or say which"
            " is which, labels: [{from: coherence, to: ATTRIBUTE}]",
        ),
    ],
)
def test_no_label_at_all_is_refused(tmp_path, labels, what_to_do):
    recipe = a_recipe(Source(name="hs"), attributes=(QUALITY,))
    found = corpus(recipe, tmp_path, hs=ratings(40, **labels))
    with pytest.raises(BadInputError) as caught:
        sufficient_schema(recipe, found, Notes())
    assert str(caught.value) == (
        "no labelled data: none of the sources under spec.data.labelled (hs) has a label of any"
        f" attribute in the training split{what_to_do}"
    )


def test_an_empty_validation_split_is_refused(tmp_path):
    recipe = a_recipe(Source(name="hs"), attributes=(HELPFULNESS,), validation_fraction=0.001)
    found = corpus(recipe, tmp_path, hs=ratings(5, helpfulness=1))
    with pytest.raises(BadInputError, match="the validation split holds no labelled conversation"):
        sufficient_schema(recipe, found, Notes())


# Which prompts does evaluate ask?


def test_without_a_file_the_validation_splits_questions_are_asked(tmp_path):
    tree = a_tree(a_question("q", an_answer("a", a_question("why?", an_answer("so")))), "t3")
    recipe = a_recipe(Source(name="t"), validation_fraction=0.99)
    found = corpus(recipe, tmp_path, t=[tree])
    files = [tmp_path / "content" / file_name("labelled", VALIDATION)]
    target = tmp_path / "prompts.jsonl"
    write_prompts_of_validation(files, found.training_prompts, target)
    (prompt,) = map(Conversation.from_json, read_jsonl(target))
    assert [turn.text for turn in prompt.turns] == ["q", "a", "why?"]
    assert prompt.split == VALIDATION


def test_prompts_of_a_file_that_stand_in_training_are_left_out_and_counted(tmp_path):
    found = corpus(a_recipe(Source(name="hs")), tmp_path, hs=ratings(30))
    trained = next(r.turns[0].text for r in conversations(tmp_path) if r.split == TRAIN)
    texts = [trained.upper(), "new", "new", "newer"]
    file = written(tmp_path / "prompts.jsonl", [{"prompt": text} for text in texts])
    target = tmp_path / "written.jsonl"
    counts = write_prompts_of_file(SourceReader(file), "Be kind.", found.training_questions, target)
    prompts = map(Conversation.from_json, read_jsonl(target))
    assert [p.turns[0].text for p in prompts] == ["new", "newer"]
    assert counts == PromptCounts(num_kept=2, num_in_training=1, num_duplicates=1)


def test_a_prompt_that_is_asked_later_in_a_training_conversation_is_left_out(tmp_path):
    later = a_question("What is X?", an_answer("a letter"))
    tree = a_tree(a_question("q", an_answer("a", later)), "t3")
    found = corpus(a_recipe(Source(name="t"), validation_fraction=0.001), tmp_path, t=[tree])
    texts = ["what  is x?", "What is Y?", "a letter"]
    file = written(tmp_path / "prompts.jsonl", [{"prompt": text} for text in texts])
    target = tmp_path / "written.jsonl"
    counts = write_prompts_of_file(SourceReader(file), "", found.training_questions, target)
    assert counts == PromptCounts(num_kept=2, num_in_training=1)


def test_no_prompt_left_is_refused(tmp_path):
    found = corpus(a_recipe(Source(name="hs")), tmp_path, hs=ratings(30))
    trained = next(r.turns[0].text for r in conversations(tmp_path) if r.split == TRAIN)
    file = written(tmp_path / "prompts.jsonl", [{"prompt": trained}])
    with pytest.raises(BadInputError) as caught:
        write_prompts_of_file(
            SourceReader(file), "", found.training_questions, tmp_path / "written.jsonl"
        )
    assert str(caught.value) == (
        f"{file}: no evaluation prompt is left (1 found, 1 of them in the training data)"
    )
