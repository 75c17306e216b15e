"""Each format, read as `data inspect` and prepare read it."""

from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat, Filters
from steerlm_jobs.data.readers.raw import RawConversation
from steerlm_jobs.data.readers.source import SourceReader
from tests.unit.data.builders import (
    a_pair,
    a_question,
    a_rating,
    a_tree,
    an_answer,
    written,
)


def read(path: Path, *rows: dict[str, Any], **settings: Any) -> tuple[list[list[str]], dict]:
    """The texts of the conversations, and what was dropped."""
    reader = SourceReader(written(path / "rows.jsonl", rows), **settings)
    texts = [[turn.text for turn in c.turns] for c in reader.conversations()]
    return texts, reader.drops.as_dict()


def read_one(path: Path, row: dict[str, Any], **settings: Any) -> RawConversation:
    (found,) = SourceReader(written(path / "rows.jsonl", [row]), **settings).conversations()
    return found


def refusal(path: Path, *rows: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(BadInputError) as caught:
        read(path, *rows, **settings)
    message = str(caught.value)
    assert message.startswith(f"{path}/rows.jsonl")
    return message.removeprefix(f"{path}/")


# OASST


def test_every_path_to_a_leaf_is_a_conversation(tmp_path):
    tree = a_tree(
        a_question("q", an_answer("a", a_question("q2", an_answer("a2"))), an_answer("b"))
    )
    assert read(tmp_path, tree) == ([["q", "a", "q2", "a2"], ["q", "b"]], {})


def test_trailing_user_turns_are_trimmed_and_single_messages_dropped(tmp_path):
    tree = a_tree(a_question("q", an_answer("a", a_question("thanks"), a_question("why?"))))
    alone = a_tree(a_question("alone"))
    assert read(tmp_path, tree, alone) == ([["q", "a"], ["q", "a"]], {"singleMessage": 1})


def test_texts_are_stripped_and_an_empty_one_takes_along_what_is_below(tmp_path):
    tree = a_tree(
        a_question(" q\n", an_answer("\ta ", a_question(" ", an_answer("lost"))), an_answer("b"))
    )
    assert read(tmp_path, tree) == ([["q", "a"], ["q", "b"]], {"emptyText": 1})


@pytest.mark.parametrize(
    ("filters", "fields", "cause"),
    [
        (Filters(drop_deleted=True), {"deleted": True}, "deleted"),
        (Filters(drop_unreviewed=True), {"review_result": False}, "unreviewed"),
        (Filters(drop_unreviewed=True), {"review_result": None}, "unreviewed"),
        (Filters(drop_spam=True), {"labels": {"spam": 0.5}}, "spam"),
        (Filters(languages=("en",)), {"lang": "es"}, "language"),
    ],
)
def test_a_filtered_message_takes_along_what_is_below_it_and_nothing_else(
    tmp_path, filters, fields, cause
):
    good = {"review_result": True, "lang": "en-GB", "deleted": False}
    bad = good | fields
    tree = a_tree(
        a_question(
            "q",
            an_answer("a", a_question("q2", an_answer("lost", **good), **bad), **good),
            an_answer("bad", **bad),
            an_answer("b", **good),
            **good,
        )
    )
    assert read(tmp_path, tree, filters=filters) == ([["q", "a"], ["q", "b"]], {cause: 2})
    assert read(tmp_path, tree) == ([["q", "a", "q2", "lost"], ["q", "bad"], ["q", "b"]], {})


def test_a_message_without_a_language_passes_the_filter(tmp_path):
    tree = a_tree(a_question("q", an_answer("a")))
    assert read(tmp_path, tree, filters=Filters(languages=("de",))) == ([["q", "a"]], {})


def test_oasst_keeps_ids_language_and_means(tmp_path):
    found = read_one(
        tmp_path,
        a_tree(a_question("q", an_answer("a", labels={"quality": 0.375}, lang="pt-BR")), "t1"),
    )
    answer = found.turns[1]
    assert (found.place, found.has_unit_labels) == (f"{tmp_path}/rows.jsonl:1", True)
    assert (answer.message_id, answer.language, answer.labels) == (
        "id-a",
        "pt-BR",
        {"quality": 0.375},
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"quality": 1.5}, "label 'quality' is 1.5, outside OASST's 0..1"),
        ({"quality": float("nan")}, "label 'quality' is nan, not a number"),
        ({"quality": "good"}, "label 'quality' is 'good', not a number"),
        ({"quality": True}, "label 'quality' is True, not a number"),
    ],
)
def test_an_oasst_label_that_is_no_mean_is_refused(tmp_path, labels, message):
    tree = a_tree(a_question("q", an_answer("a", labels=labels)))
    assert refusal(tmp_path, tree).startswith(f"rows.jsonl:1: {message}")


def test_a_message_of_an_unknown_role_is_refused(tmp_path):
    tree = a_tree(a_question("q", an_answer("a") | {"role": "system"}))
    assert refusal(tmp_path, tree) == (
        "rows.jsonl:1: role 'system' of a message is neither prompter nor assistant"
    )


def test_two_answers_in_a_row_are_dropped_and_counted(tmp_path):
    tree = a_tree(a_question("q", an_answer("a", an_answer("b"))))
    assert read(tmp_path, tree) == ([], {"roles": 1})


# HelpSteer


def test_a_rating_is_a_conversation_with_the_labels_that_are_known(tmp_path):
    found = read_one(tmp_path, a_rating("q ", "a", helpfulness=3, verbosity=None))
    assert [turn.text for turn in found.turns] == ["q", "a"]
    assert found.turns[1].labels == {"helpfulness": 3.0}
    assert not found.has_unit_labels


def test_equal_texts_have_equal_ids_and_answers_to_other_questions_have_not(tmp_path):
    rows = [a_rating("q", "a", helpfulness=1), a_rating("q", "b"), a_rating("p", "a")]
    reader = SourceReader(written(tmp_path / "rows.jsonl", [*rows, rows[0]]))
    first, second, third, again = ([t.message_id for t in c.turns] for c in reader.conversations())
    assert first == again
    assert first[0] == second[0]
    assert len({first[1], second[1], third[1], third[0], first[0]}) == 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (a_rating("q", "a", helpfulness=2.5), "label 'helpfulness' is 2.5, not an integer"),
        (
            a_rating("q", "a", helpfulness="2"),
            "label 'helpfulness' is '2', not a number; take the quotes away",
        ),
        (a_rating("q", "a", helpfulness=10**400), "label 'helpfulness' is out of any range"),
        ({"prompt": "q", "response": None}, "field 'response' is null, not text"),
    ],
)
def test_a_rating_that_cannot_be_read_is_refused(tmp_path, row, message):
    assert refusal(tmp_path, row).startswith(f"rows.jsonl:1: {message}")


def test_an_empty_answer_is_dropped_and_counted(tmp_path):
    assert read(tmp_path, a_rating("q", " "), a_rating("q", "a")) == (
        [["q", "a"]],
        {"emptyText": 1},
    )


# HH-RLHF

PAIR = a_pair("\n\nHuman: q\n\nAssistant: good", "\n\nHuman: q\n\nAssistant: bad")


def test_both_texts_of_a_pair_are_used_or_the_chosen_one(tmp_path):
    assert read(tmp_path, PAIR) == ([["q", "good"], ["q", "bad"]], {})
    assert read(tmp_path, PAIR, pairs="Chosen") == ([["q", "good"]], {})
    assert read(tmp_path, {"chosen": PAIR["chosen"]}) == ([["q", "good"]], {})


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("\n\nHuman: q\n\nAssistant: a\n\nHuman: odd", ["q", "a"]),
        ("\n\nHuman: q\n\nAssistant: a\n\nHuman: q2\n\nAssistant:", ["q", "a"]),
        ("\n\nHuman: q\n\nAssistant: a\n\nAssistant: b", ["q", "a\n\nb"]),
        ("\n\nHuman: q\n\nAssistant:\n\nHuman: r\n\nAssistant: a", ["q\n\nr", "a"]),
        ("\n\nHuman: q\n\nAssistant: one\n\ntwo Human: x", ["q", "one\n\ntwo Human: x"]),
        ("Human: q\n\nAssistant: a", ["q", "a"]),
    ],
    ids=["odd", "empty-end", "joined", "empty-middle", "not-a-turn", "stripped"],
)
def test_what_occurs_in_real_pairs_is_read(tmp_path, text, turns):
    assert read(tmp_path, {"chosen": text}) == ([turns], {})


def test_what_holds_no_answer_is_dropped_and_counted(tmp_path):
    rows = [{"chosen": "\n\nHuman: q\n\nAssistant: "}, {"chosen": " "}, {"chosen": "Human:"}]
    assert read(tmp_path, *rows, {"chosen": "\n\nAssistant: a"}) == (
        [],
        {"singleMessage": 1, "emptyText": 2, "roles": 1},
    )


def test_a_text_without_speakers_is_refused(tmp_path):
    assert refusal(tmp_path, {"chosen": "Hello"}) == (
        "rows.jsonl:1: chosen does not start with 'Human:' or 'Assistant:': 'Hello'"
    )


# Prompts


def test_prompts_are_first_questions(tmp_path):
    rows = [{"turns": ["q", "later", " "]}, {"turns": [" "]}, {"turns": ["\ud800!"]}]
    reader = SourceReader(written(tmp_path / "rows.jsonl", [{"prompt": " p "}, *rows]))
    found = list(reader.prompts())
    texts = [[turn.text for turn in c.turns] for c in found]
    assert (texts, reader.drops.as_dict()) == ([["p"], ["q"], ["?!"]], {"emptyText": 1})
    assert [c.follow_ups for c in found] == [(), ("later",), ()]


def test_a_prompt_without_text_is_refused(tmp_path):
    assert refusal(tmp_path, {"prompt": "p"}, {"turns": [3]}) == (
        "rows.jsonl:2: a prompt has a text 'prompt', or 'turns' that are texts"
    )


# Which format?


@pytest.mark.parametrize(
    ("row", "form"),
    [
        (a_tree(a_question("q")), DataFormat.OASST),
        (a_rating("q", "a"), DataFormat.HELPSTEER),
        (PAIR, DataFormat.HH_RLHF),
        ({"turns": ["q"]}, DataFormat.PROMPTS),
        ({"prompt": "q", "category": "writing"}, DataFormat.PROMPTS),
    ],
)
def test_the_format_is_detected_and_another_one_refused(tmp_path, row, form):
    path = written(tmp_path / "rows.jsonl", [row])
    assert SourceReader(path).format() is form
    wrong = DataFormat.HH_RLHF if form is not DataFormat.HH_RLHF else DataFormat.OASST
    with pytest.raises(BadInputError) as caught:
        SourceReader(path, wrong).format()
    message = str(caught.value)
    assert message.startswith(
        f"{path}:1: format is {wrong.value} in the spec, but the file is {form.value}: its fields"
        f" are {', '.join(map(repr, sorted(row)))}, and {wrong.value} has "
    )
    assert message.endswith(f"; write format: {form.value}, or give another file")


def test_a_format_that_a_file_has_not_is_told_by_what_such_a_file_has(tmp_path):
    path = written(tmp_path / "rows.jsonl", [a_rating("q", "a")])
    with pytest.raises(BadInputError, match="HhRlhf has 'chosen' and 'rejected'; write format: H"):
        SourceReader(path, DataFormat.HH_RLHF).format()


def test_a_record_of_a_copy_is_named_by_where_the_copy_is_of(tmp_path):
    path = written(tmp_path / "copy" / "rows.jsonl", [a_rating("q", "a")])
    (row,) = SourceReader(tmp_path / "copy", address="s3://data/helpsteer/").raw()
    assert row.place == "s3://data/helpsteer/rows.jsonl:1"
    (row,) = SourceReader(path, address="s3://data/helpsteer/rows.jsonl").raw()
    assert row.place == "s3://data/helpsteer/rows.jsonl:1"


def test_an_unknown_record_is_refused_with_its_fields(tmp_path):
    assert refusal(tmp_path, {"text": "t", "label": []}) == (
        "rows.jsonl:1: format not recognised from its fields ('label', 'text'); known: "
        "Oasst has a tree 'prompt', or 'message_id' and 'parent_id'; "
        "HelpSteer has texts 'prompt' and 'response'; HhRlhf has 'chosen' and 'rejected'; "
        "Prompts has a text 'prompt' alone, or 'turns'; "
        "ShareGpt has 'conversations' of 'from' and 'value'; "
        "NemoSft has 'conversations', and 'mask' or 'type'; "
        "NemoRegression has a 'text' that begins with <extra_id_0>, and a list 'label'"
    )


def test_openais_messages_are_refused_with_the_line_that_converts_them(tmp_path):
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert refusal(tmp_path, row) == (
        "rows.jsonl:1: format not recognised from its fields ('messages'); known: ShareGpt, which "
        "these 'messages' become by jq -c "
        "'{conversations: [.messages[] | {from: .role, value: .content}]}' FILE"
    )
    turns = [{"from": m["role"], "value": m["content"]} for m in row["messages"]]
    assert read(tmp_path, {"conversations": turns}) == ([["q", "a"]], {})


def test_a_file_without_records_is_refused(tmp_path):
    assert refusal(tmp_path).endswith("rows.jsonl: holds no record")
