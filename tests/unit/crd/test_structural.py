import pytest

from steerlm_operator.crd.structural import structural


def test_references_are_put_in_place_and_null_goes():
    schema = {
        "type": "object",
        "title": "T",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "default": None}},
        "$defs": {"A": {"type": "string", "enum": ["x"], "description": "Of the type."}},
    }
    a = {"type": "string", "enum": ["x"], "description": "Of the type."}
    assert structural(schema) == {"type": "object", "properties": {"a": a}}


def test_an_exclusive_minimum_is_a_flag():
    schema = {"type": "integer", "exclusiveMinimum": 0}
    assert structural(schema) == {"type": "integer", "minimum": 0, "exclusiveMinimum": True}


def test_the_bounds_of_a_decimal_become_a_rule():
    rule = {
        "rule": "double(self) >= 0.0 && double(self) < 1.0",
        "message": "must be >= 0.0 and < 1.0",
    }
    assert structural({"type": "string", "ge": 0, "lt": 1}) == {
        "type": "string",
        "x-kubernetes-validations": [rule],
    }


def test_a_description_beside_a_reference_wins():
    schema = {
        "$ref": "#/$defs/A",
        "description": "Here.",
        "$defs": {"A": {"type": "string", "description": "There."}},
    }
    assert structural(schema) == {"type": "string", "description": "Here."}


def test_an_unknown_keyword_fails_here_and_not_on_a_server():
    with pytest.raises(ValueError, match=r"\.a: no translation of 'contains'"):
        structural({"type": "object", "properties": {"a": {"type": "array", "contains": {}}}})
