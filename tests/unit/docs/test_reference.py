"""The generated pages of the API are those of the code, and leave nothing unsaid."""

from enum import Enum

import pytest

from steerlm_operator.api.conditions import ConditionType
from steerlm_operator.api.leaves import model_fields
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import Phase, RunStatus, StageState
from steerlm_operator.cli.reference import reference
from steerlm_operator.cli.status_reference import member_docs, status_reference
from tests.unit.docs.guide import ROOT


@pytest.mark.parametrize(
    ("file", "text"), [("spec.md", reference()), ("status.md", status_reference())]
)
def test_the_committed_pages_are_the_generated_ones(file: str, text: str):
    page = ROOT / "docs/reference" / file
    assert page.read_text(encoding="utf-8") == text, "run `make gen`"


@pytest.mark.parametrize("model", [RunSpec, RunStatus])
def test_every_field_says_what_it_means(model: type):
    assert [f.path for f in model_fields(model) if not f.field.description] == []


@pytest.mark.parametrize("members", [ConditionType, Phase, Reason, StageState])
def test_every_value_says_what_it_means(members: type[Enum]):
    assert [name for name, text in member_docs(members).items() if not text] == []
