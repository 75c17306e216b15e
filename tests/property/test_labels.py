from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.attributes.labels import (
    from_unit,
    label_text,
    parse_label_text,
    quantise,
    to_unit,
)
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute

scales = st.tuples(st.integers(-20, 20), st.integers(0, 20)).map(lambda s: (s[0], s[0] + s[1]))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), unique=True))
    ranges = [draw(scales) for _ in names]
    return Schema(
        tuple(Attribute(name=n, min=a, max=b) for n, (a, b) in zip(names, ranges, strict=True))
    )


@given(schemas(), st.data())
def test_label_text_read_back_is_the_labels(schema, data):
    known = [a for a in schema.attributes if data.draw(st.booleans())]
    labels = {a.name: data.draw(st.integers(a.min, a.max)) for a in known}
    assert parse_label_text(label_text(labels, schema), schema) == labels


@given(st.text())
def test_any_text_is_read_or_refused(text):
    schema = Schema((Attribute(name="quality"), Attribute(name="humor")))
    try:
        labels = parse_label_text(text, schema)
    except ValueError:
        return
    assert parse_label_text(label_text(labels, schema), schema) == labels


@given(scales, st.floats(-1e6, 1e6))
def test_a_label_is_within_half_of_its_score_unless_clamped(scale, score):
    attribute = Attribute(name="a", min=scale[0], max=scale[1])
    label = quantise(score, attribute)
    assert attribute.min <= label <= attribute.max
    if attribute.min <= score <= attribute.max:
        assert -0.5 <= score - label <= 0.5


@given(scales)
def test_every_level_survives_the_unit_scale(scale):
    attribute = Attribute(name="a", min=scale[0], max=scale[1])
    for level in range(attribute.min, attribute.max + 1):
        assert quantise(from_unit(to_unit(level, attribute), attribute), attribute) == level
