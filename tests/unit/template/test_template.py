from pathlib import Path

import pytest

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.template import (
    TEMPLATE,
    Segment,
    SegmentKind,
    holds_marker,
    parse,
    plain_text,
    prompt_segments,
    render_text,
    scoring_segments,
    template_digest,
    training_segments,
    value_segments,
)
from tests.unit.template.builders import (
    SCHEMA,
    TARGETS,
    THREE_TURNS,
    a_conversation,
    assistant,
    user,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "template"


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_bytes().decode()


def test_training_form_of_three_turns_has_own_labels_else_the_defaults():
    assert render_text(training_segments(THREE_TURNS, SCHEMA, TARGETS)) == golden("training")


def test_prompt_form_has_the_requests_labels_where_earlier_answers_have_none():
    asking = a_conversation(*THREE_TURNS.turns[:5])
    assert render_text(prompt_segments(asking, {"quality": 1, "humor": -1}, SCHEMA)) == golden(
        "prompt"
    )


def test_scoring_form_ends_with_a_bare_label_marker_and_holds_no_label():
    assert render_text(scoring_segments(THREE_TURNS, 3)) == golden("scoring")


def test_value_form_has_the_labels_of_the_last_answer_after_it_and_no_others():
    segments = value_segments(THREE_TURNS, 3, {"humor": -1, "quality": 3}, SCHEMA)
    assert render_text(segments) == golden("value")
    assert [s for s in segments if s.bears_loss] == [
        Segment(SegmentKind.TEXT, "quality:3,humor:-1\n", bears_loss=True)
    ]


def test_a_conversation_that_ends_with_a_question_gets_no_stop():
    asking = a_conversation(user("Why?"))
    text = render_text(training_segments(asking, SCHEMA, TARGETS))
    assert text == "<extra_id_0>System\nBe helpful.\n<extra_id_1>User\nWhy?\n"


def test_without_attributes_there_is_no_label_line_at_all():
    plain = Schema(())
    question, answer = user("Why?"), assistant("So.", quality=3)
    text = render_text(training_segments(a_conversation(question, answer), plain, TARGETS))
    assert text == (
        "<extra_id_0>System\nBe helpful.\n<extra_id_1>User\nWhy?\n"
        "<extra_id_1>Assistant\nSo.\n<extra_id_1>"
    )
    asking = render_text(prompt_segments(a_conversation(question), {}, plain))
    assert asking == text.removesuffix("So.\n<extra_id_1>")


def test_only_answers_and_the_markers_after_them_bear_loss():
    segments = training_segments(
        a_conversation(user("a"), assistant("b"), user("c"), assistant("d")), SCHEMA, TARGETS
    )
    marker = Segment(SegmentKind.MARKER, "<extra_id_1>", bears_loss=True)
    assert [s for s in segments if s.bears_loss] == [
        Segment(SegmentKind.TEXT, "b\n", bears_loss=True),
        marker,
        Segment(SegmentKind.TEXT, "d\n", bears_loss=True),
        marker,
    ]


def test_an_answer_is_a_unit_of_its_own_after_header_and_label_line():
    segments = training_segments(a_conversation(user("a"), assistant("b")), SCHEMA, TARGETS)
    assert [s.text for s in segments] == [
        "<extra_id_0>",
        "System\nBe helpful.\n",
        "<extra_id_1>",
        "User\na\n",
        "<extra_id_1>",
        "Assistant\n",
        "<extra_id_2>",
        "quality:4,humor:0\n",
        "b\n",
        "<extra_id_1>",
    ]
    scored = scoring_segments(a_conversation(user("a"), assistant("b")), 1)
    assert [s.text for s in scored][-4:] == ["<extra_id_1>", "Assistant\n", "b\n", "<extra_id_2>"]


def test_template_is_pinned():
    """A change of the template makes every artifact new: its digest is a root."""
    assert template_digest() == "NIqFLpfk334yvr_RLH6dGn6_4IXHWg5AE4XUIwtBDfw"
    assert set(TEMPLATE) >= {"system", "user", "assistant", "labels", "score", "stop"}


def test_plain_text_has_neither_markers_nor_labels():
    text = plain_text(a_conversation(user("a"), assistant("b", quality=1)))
    assert text == "User\na\nAssistant\nb\n"


def test_forged_markers_are_recognised():
    assert holds_marker("no <extra_id_1> here")
    assert not holds_marker("<extra_id_3> <extra_id_1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "a conversation starts with <extra_id_0>"),
        ("<extra_id_0>System\nx", "a turn ends with a line break"),
        ("<extra_id_0>System\nx\n<extra_id_1>Nobody\ny\n", "headed System, User or Assistant"),
        ("<extra_id_0>System\nx\n<extra_id_1>Assistant\n<extra_id_2>", "a line of labels"),
        ("<extra_id_0>System\nx\n<extra_id_1><extra_id_1>User\ny\n", "goes on after the end"),
        ("<extra_id_0>System\nx\n<extra_id_1>Assistant\n<extra_id_2>wit:1\n", "unknown attribute"),
    ],
)
def test_text_that_does_not_follow_the_template_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse(text, SCHEMA)
