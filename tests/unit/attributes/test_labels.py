import pytest

from steerlm_jobs.attributes.labels import (
    from_unit,
    label_text,
    parse_label_text,
    quantise,
    to_unit,
)
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute

QUALITY = Attribute(name="quality")
HUMOR = Attribute(name="humor")
WARMTH = Attribute(name="warmth", min=-2, max=2)
SCHEMA = Schema((QUALITY, HUMOR, WARMTH))


def test_label_text_has_the_schemas_order_and_only_what_is_known():
    assert label_text({"warmth": -2, "quality": 4}, SCHEMA) == "quality:4,warmth:-2"
    assert label_text({}, SCHEMA) == ""


def test_label_text_is_read_in_any_order():
    expected = {"humor": 0, "quality": 4, "warmth": -1}
    assert parse_label_text("warmth:-1,quality:4,humor:0", SCHEMA) == expected
    assert parse_label_text("", SCHEMA) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("quality", "'quality' is not name:integer"),
        ("quality:", "'quality:' is not name:integer"),
        ("quality:3.5", "'quality:3.5' is not name:integer"),
        ("quality:--3", "'quality:--3' is not name:integer"),
        ("quality:٣", "'quality:٣' is not name:integer"),  # a digit, and not ours
        ("quality:1,quality:1", "quality is given twice"),
        ("wit:1", "unknown attribute 'wit'; known: quality, humor, warmth"),
        ("quality:5", "quality:5 is outside 0..4"),
        ("warmth:-3", "warmth:-3 is outside -2..2"),
    ],
)
def test_label_text_that_cannot_be_meant_is_refused(text, problem):
    with pytest.raises(ValueError, match=f"^{problem}$"):
        parse_label_text(text, SCHEMA)


@pytest.mark.parametrize(
    ("score", "label"), [(0.49, 0), (0.5, 1), (1.5, 2), (2.5, 3), (3.5, 4), (-3, 0), (9.9, 4)]
)
def test_quantise_rounds_half_up_and_clamps(score, label):
    assert quantise(score, QUALITY) == label


@pytest.mark.parametrize(("score", "label"), [(-1.5, -1), (-0.5, 0), (-1.6, -2), (-9, -2)])
def test_quantise_rounds_half_up_below_zero_too(score, label):
    assert quantise(score, WARMTH) == label


def test_unit_values_are_put_on_the_scale_and_back():
    assert [from_unit(v, WARMTH) for v in (0.0, 0.5, 1.0)] == [-2.0, 0.0, 2.0]
    assert [to_unit(v, WARMTH) for v in (-2, 0, 2)] == [0.0, 0.5, 1.0]
    assert to_unit(7, Attribute(name="constant", min=7, max=7)) == 0.0


def test_means_of_annotators_that_lie_half_way_move_up():
    assert [quantise(from_unit(v, QUALITY), QUALITY) for v in (0.125, 0.375, 0.625, 0.875)] == [
        1,
        2,
        3,
        4,
    ]


def test_schema_survives_json():
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA


def test_schema_knows_places_and_refuses_other_names():
    assert (SCHEMA.names, SCHEMA.index("warmth")) == (("quality", "humor", "warmth"), 2)
    with pytest.raises(ValueError, match="wit"):
        SCHEMA.scale("wit")
