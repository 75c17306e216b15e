"""A code has a page (house.md, law 8)."""

import re
from pathlib import Path

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.api.reasons import Reason

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reasons.md"


def test_every_reason_is_a_heading_that_says_what_to_do():
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    said = {heading: text.strip() for heading, _, text in (s.partition("\n") for s in sections)}
    assert list(said) == [reason.value for reason in Reason]
    assert all(said.values())


def test_the_readme_lists_every_exit_code_once():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^- Exit codes: (.*?)\. Each but 0 ", text, re.MULTILINE | re.DOTALL)
    assert [int(number) for number in re.findall(r"\b\d+\b", line)] == [*map(int, ExitCode)]


def test_the_table_of_failures_has_every_exit_code_but_that_of_success():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    numbers = [int(number) for cell in cells for number in cell.split(",")]
    assert numbers == [int(code) for code in ExitCode if code]
