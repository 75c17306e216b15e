"""The whole pipeline with the paper's attribute prediction model, which writes label text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow.test_kill_and_resume import QUICKSTART, ROOT, SETTINGS

pytestmark = pytest.mark.slow
GENERATIVE = {**SETTINGS, "spec.stages.trainApm.kind": "Generative"}
GROUPS = [["quality", "humor"], ["helpfulness", "verbosity"]]
"""Labels of one source are written in one line; no row has those of both."""


def test_all_stages_run_and_ask_and_report_take_no_notice(tmp_path: Path) -> None:
    workdir, changes = tmp_path / "run", []
    for path, value in GENERATIVE.items():
        changes += ["--set", f"{path}={value}"]
    steerlm("run", str(QUICKSTART), "--workdir", str(workdir), *changes)
    stages = json.loads((workdir / ".steerlm" / "status.json").read_text())["stages"]
    assert {stage["state"] for stage in stages} == {"Succeeded"}
    (apm,) = workdir.glob("train-apm/*/attempts/*/content/steerlm.json")
    assert json.loads(apm.read_text())["groups"] == GROUPS
    asked = steerlm("ask", str(workdir), "What is a fox?", "--set", "humor=4", "--json")
    assert json.loads(asked)["labels"]["humor"] == 4
    steerlm("report", str(workdir))


def steerlm(*arguments: str) -> str:
    command = [sys.executable, "-m", "steerlm_operator.cli.main", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
