"""A code has a page (house.md, law 8)."""

import re
from pathlib import Path

from steerlm_operator.api.reasons import Reason

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"


def test_every_reason_is_a_heading_that_says_what_to_do():
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    said = {heading: text.strip() for heading, _, text in (s.partition("\n") for s in sections)}
    assert list(said) == [reason.value for reason in Reason]
    assert all(said.values())
