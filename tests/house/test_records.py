import re
import subprocess
from pathlib import Path

import pytest

from tests.house.repository import ROOT

ADRS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
HEADINGS = [
    "Context",
    "Decision",
    "Alternatives, and why not",
    "How we shall notice that it was wrong",
]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("adr", ADRS, ids=lambda path: path.stem)
def test_every_decision_record_answers_the_four_questions(adr: Path) -> None:
    assert re.findall(r"^## (.*)$", adr.read_text(), re.M) == HEADINGS


def test_decision_records_are_counted_without_gaps() -> None:
    assert [int(adr.stem[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_help_names_every_target_for_people() -> None:
    helped = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert set(re.findall(r"^  make (\S+)", helped, re.M)) == {
        *(
            "demo",
            "demo-real",
            "cluster",
            "cluster-down",
            "check",
            "test",
            "fix",
            "gen",
            "lock",
            "help",
        )
    }


def test_documents_name_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        target for path in documents for target in re.findall(r"`make ([a-z-]+)", path.read_text())
    }
    assert named <= targets


def test_the_readmes_two_commands_are_what_a_person_types() -> None:
    block = re.search(r"## Two commands.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    assert [line.split("#")[0].strip() for line in block[1].splitlines()] == [
        "make demo",
        "make test",
    ]


def test_continuous_integration_runs_the_readmes_command() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"


def test_every_locked_package_carries_hashes() -> None:
    entries = [entry for lock in LOCKS for entry in _entries(lock)]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_all_uses_lock_the_same_versions() -> None:
    """Or `make demo` and `make test` would undo each other's installation."""
    pins = {lock.stem: {_pin(entry) for entry in _entries(lock)} for lock in LOCKS}
    assert pins["operator"] | pins["jobs"] <= pins["dev"]


def test_locks_hold_every_dependency_pyproject_names() -> None:
    declared = re.findall(r'^\s+"([\w-]+)[\[>]', (ROOT / "pyproject.toml").read_text(), re.M)
    locked = {_pin(entry).split("==")[0] for entry in _entries(ROOT / "requirements/dev.txt")}
    assert set(declared) <= locked


def _entries(lock: Path) -> list[str]:
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.M).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def _pin(entry: str) -> str:
    return entry.split()[0]
