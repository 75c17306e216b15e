"""The programs as a person runs them: `python -m steerlm_jobs`, with signals and kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.report import Report
from tests.unit.programs.builders import a_config, written
from tests.unit.store.suite import a_config as a_stored_config
from tests.unit.store.suite import a_sealed

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
WITH_STAND_IN = """
import runpy, sys
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.programs import recipes
for kind in StageKind:
    recipes.STAGE_MODULES[kind] = "tests.unit.programs.stand_in"
sys.argv = ["steerlm_jobs", *sys.argv[1:]]
runpy.run_module("steerlm_jobs", run_name="__main__")
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steerlm_jobs", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WITH_STAND_IN, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_verify_recomputes_and_names_the_damaged_file(tmp_path: Path):
    sealed = a_sealed(str(tmp_path), tmp_path / "scratch")
    uri = f"file://{tmp_path}/annotate/{a_stored_config('').fingerprint}"
    done = run("verify", uri)
    assert (done.returncode, json.loads(done.stdout)["digest"]) == (0, sealed.digest)
    damaged = next(tmp_path.rglob("a.json"))
    damaged.write_text("[]")
    done = run("verify", uri)
    assert (done.returncode, done.stdout) == (ExitCode.BAD_INPUT, "")
    assert "a.json: damaged artifact: was overwritten" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_stage_run_by_hand_prints_its_report_and_logs_with_the_time(tmp_path: Path):
    with started("annotate", "--config", written(a_config(tmp_path), tmp_path)) as process:
        out, log = process.communicate(timeout=60)
    report = Report.model_validate_json(out)
    assert (report.exit_code, report.notes, process.returncode) == (0, ("a warning",), 0)
    assert len(report.digest) == 43
    first = log.splitlines()[0]
    assert first.endswith("Z info steerlm_jobs.programs.stage: stage annotate, attempt 1")


def test_a_config_that_is_not_json_is_one_line_and_exit_10(tmp_path: Path):
    (tmp_path / "config.json").write_text("{")
    done = run("train-apm", "--config", tmp_path / "config.json")
    assert done.returncode == ExitCode.BAD_CONFIG
    assert done.stderr.count("\n") == 1
    assert "Invalid JSON" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_stage_ends_with_21_and_leaves_its_temporary_folder_nowhere(
    tmp_path: Path, monkeypatch, number: signal.Signals
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    config = written(a_config(tmp_path, ending="wait"), tmp_path)
    progress = tmp_path / "progress.json"
    with started("annotate", "--config", config, "--progress", progress) as process:
        while not progress.exists():
            time.sleep(0.02)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert Report.model_validate_json(out[out.index("{") :]).exit_code == ExitCode.INTERRUPTED
    assert list((tmp_path / "tmp").iterdir()) == []


def test_killed_writers_leave_nothing_visible_and_the_next_one_seals(tmp_path: Path):
    """Kill a process that writes artifacts without end, at random moments."""
    code = (
        "import sys; from pathlib import Path; from tests.unit.store import suite;"
        "[suite.a_sealed(f'{sys.argv[1]}/{n}', Path(sys.argv[2])) for n in range(10**6)]"
    )
    for number in range(8):
        store = tmp_path / f"store-{number}"
        with subprocess.Popen(
            [sys.executable, "-c", code, str(store), str(tmp_path / "scratch")], cwd=ROOT
        ) as writer:
            while not (store / "3").exists():
                time.sleep(0.005)
            time.sleep(0.003 * number)
            os.kill(writer.pid, signal.SIGKILL)
        for place in store.iterdir():
            prefix = str(place)
            sealed = a_sealed(prefix, tmp_path / "again", attempt=2)
            uri = f"{prefix}/annotate/{a_stored_config('').fingerprint}"
            assert run_verify_here(uri) == sealed.digest


def run_verify_here(uri: str) -> str:
    """Verify in this process: a new one for each place would take minutes."""
    from steerlm_jobs.store.verify import verify

    return verify(uri).digest
