import sys

import pytest

from steerlm_operator.cli.invocation import called_as


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with two installations of the command, none of them on the path."""
    for place in (".venv", "other"):
        command = tmp_path / place / "bin" / "steerlm"
        command.parent.mkdir(parents=True)
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_a_command_that_is_not_on_the_path_is_told_as_it_was_called(folder):
    assert called_as(".venv/bin/steerlm", folder) == ".venv/bin/steerlm"
    assert called_as(str(folder / ".venv/bin/steerlm"), folder) == ".venv/bin/steerlm"
    elsewhere = folder / "other"
    assert called_as(str(folder / ".venv/bin/steerlm"), elsewhere) == f"{folder}/.venv/bin/steerlm"


def test_a_command_on_the_path_is_told_by_its_name(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder / ".venv/bin"))
    assert called_as(str(folder / ".venv/bin/steerlm"), folder) == "steerlm"
    assert called_as("steerlm", folder) == "steerlm"


def test_another_one_than_that_on_the_path_is_told_as_it_was_called(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder / "other/bin"))
    assert called_as(".venv/bin/steerlm", folder) == ".venv/bin/steerlm"


def test_a_module_is_told_as_a_module(folder):
    program = "operator/steerlm_operator/cli/main.py"
    assert called_as(program, folder) == f"{sys.executable} -m steerlm_operator.cli.main"


def test_a_path_with_a_space_is_quoted(folder):
    assert called_as("my tools/steerlm", folder) == "'my tools/steerlm'"
