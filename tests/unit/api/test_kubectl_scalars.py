from typing import Any

import pytest

from steerlm_operator.api.documents import read_document
from steerlm_operator.api.kubectl_scalars import kubectl_scalar
from tests.unit.api.scalars import SCALARS


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_kubectl_makes_of_it(text: str):
    found: Any = read_document(f"spec: {text}", "f", kubectl_scalar).value["spec"]
    assert (found, _kind(found)) == (SCALARS[text], _kind(SCALARS[text]))


def test_an_empty_value_is_null():
    assert read_document("spec:\n", "f", kubectl_scalar).value == {"spec": None}


def test_a_block_of_text_is_text():
    assert read_document("spec: |-\n  2e-3\n", "f", kubectl_scalar).value == {"spec": "2e-3"}


def test_a_number_shows_itself_as_it_was_written():
    (found,) = read_document("spec: [5e-6]", "f", kubectl_scalar).value["spec"]
    assert (repr(found), found) == ("5e-6", 0.000005)


def _kind(value: object) -> type:
    return float if isinstance(value, float) else type(value)
