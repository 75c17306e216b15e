"""Defaults that depend on an attribute's name: the table of method.md, section 2."""

import pytest
from pydantic import ValidationError

from steerlm_jobs.contract.attributes import (
    DEFAULT_NAMES,
    Attribute,
    default_callers_may_set,
    default_target,
)


def test_targets_of_the_nine_default_attributes():
    assert {name: default_target(name, 0, 4) for name in DEFAULT_NAMES} == {
        "quality": 4,
        "toxicity": 0,
        "humor": 0,
        "creativity": 0,
        "helpfulness": 4,
        "correctness": 4,
        "coherence": 4,
        "complexity": 2,
        "verbosity": 2,
    }


def test_an_unknown_attribute_has_no_default_target():
    assert default_target("politeness", 0, 4) is None


@pytest.mark.parametrize(("low", "high", "middle"), [(0, 4, 2), (0, 3, 2), (-3, 0, -1), (1, 1, 1)])
def test_the_middle_is_rounded_half_up(low: int, high: int, middle: int):
    assert default_target("verbosity", low, high) == middle


def test_callers_may_not_set_what_the_ethics_section_protects():
    refused = [name for name in DEFAULT_NAMES if not default_callers_may_set(name)]
    assert refused == ["toxicity"]
    assert not default_callers_may_set("hate_speech")


@pytest.mark.parametrize("name", ["", "Quality", "a,b", "a:b", "a b", "{a}", "1a", "a" * 41])
def test_names_that_would_break_the_label_text_are_refused(name: str):
    with pytest.raises(ValidationError):
        Attribute(name=name)
