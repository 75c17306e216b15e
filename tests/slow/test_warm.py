"""The warm fork server, over its real pipes: protocol, signals, deaths, threads."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.report import Progress, Report
from tests.unit.programs.builders import a_config, written

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.programs import recipes, warm
for kind in StageKind:
    recipes.STAGE_MODULES[kind] = "tests.unit.programs.stand_in"
if "bare" in sys.argv:
    warm.PRELOADED.clear()
warm.serve()
"""
RUNNER = """
import subprocess, sys
server = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], "bare"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
print(server.pid, flush=True)
server.stdin.write(sys.argv[2].encode() + b"\\n")
server.stdin.flush()
server.wait()
"""


class Client:
    """The other end of a warm server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def a_server(*options: str) -> Iterator[Client]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        client = Client(process)
        try:
            assert client.answer() == {"ready": True}
            yield client
        finally:
            process.kill()


def a_request(folder: Path, ending: str, *, name: str = "one") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {key: str(folder / key) for key in ("report", "progress", "scratch", "log")}
    config = written(a_config(folder, ending=ending), folder)
    return json.dumps({"id": name, "kind": "annotate", "config": str(config), **paths})


def eventually(claim: Callable[[], bool], *, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if claim():
            return True
        time.sleep(0.05)
    return claim()


def is_alive(pid: int) -> bool:
    """False for a zombie too: nobody in this container may be there to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waiting(folder: Path) -> list[int]:
    """Return the pids of a stage that waits, once it does."""
    file = folder / "progress"
    assert eventually(file.exists, seconds=20)
    return [int(p) for p in Progress.model_validate_json(file.read_bytes()).activity.split()]


def test_stages_run_and_end_with_their_codes(tmp_path: Path):
    with a_server("bare") as client:
        for number, (ending, code) in enumerate(
            [("", 0), ("diverge", 12), ("bug", 1), ("full", 20)]
        ):
            folder = tmp_path / str(number)
            client.say(a_request(folder, ending, name=ending))
            started = client.answer()
            assert started == {"id": ending, "pid": started["pid"]}
            assert client.answer() == {"id": ending, "exitCode": code}
            report = Report.model_validate_json((folder / "report").read_bytes())
            assert report.exit_code == code
    log = (tmp_path / "2" / "log").read_text()
    assert "Traceback" in log
    assert "T" in log.split()[0], "log lines begin with a time"


def test_two_stages_run_at_once_and_a_bad_request_hurts_neither(tmp_path: Path):
    with a_server("bare") as client:
        client.say(a_request(tmp_path / "a", "wait", name="a"))
        pid = client.answer()["pid"]
        client.say("not a request")
        assert "bad request" in client.answer()["error"]
        client.say(a_request(tmp_path / "b", "", name="b"))
        client.answer()
        assert client.answer() == {"id": "b", "exitCode": 0}
        os.kill(pid, signal.SIGTERM)
        assert client.answer() == {"id": "a", "exitCode": 21}


def test_sigterm_reaches_the_stages_flag_at_any_moment(tmp_path: Path):
    with a_server("bare") as client:
        for number in range(20):
            folder = tmp_path / str(number)
            client.say(a_request(folder, "wait"))
            os.kill(client.answer()["pid"], signal.SIGTERM)
            assert client.answer() == {"id": "one", "exitCode": 21}
            report = Report.model_validate_json((folder / "report").read_bytes())
            assert report.exit_code == ExitCode.INTERRUPTED


def test_a_killed_stage_has_the_shells_code(tmp_path: Path):
    with a_server("bare") as client:
        client.say(a_request(tmp_path, "wait"))
        os.kill(client.answer()["pid"], signal.SIGKILL)
        assert client.answer() == {"id": "one", "exitCode": 137}


def test_ctrl_c_in_the_terminal_does_not_end_the_server(tmp_path: Path):
    with a_server("bare") as client:
        client.process.send_signal(signal.SIGINT)
        client.say(a_request(tmp_path, ""))
        client.answer()
        assert client.answer() == {"id": "one", "exitCode": 0}


@pytest.mark.parametrize("end", ["kill -9", "SIGTERM", "stdin closed"])
def test_no_process_is_left_when_the_server_ends(tmp_path: Path, end: str):
    with a_server("bare") as client:
        client.say(a_request(tmp_path, "wait-deaf"))
        pids = {client.answer()["pid"], *waiting(tmp_path)}
        assert len(pids) == 2
        assert all(map(is_alive, pids))
        if end == "stdin closed":
            assert client.process.stdin is not None
            client.process.stdin.close()
        else:
            client.process.send_signal(signal.SIGKILL if end == "kill -9" else signal.SIGTERM)
        assert eventually(lambda: not any(map(is_alive, pids)))


def test_no_process_is_left_when_the_runner_is_killed(tmp_path: Path):
    request = a_request(tmp_path, "wait-deaf")
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, SERVER, request], cwd=ROOT, stdout=subprocess.PIPE
    ) as runner:
        assert runner.stdout is not None
        server = int(runner.stdout.readline())
        pids = {server, *waiting(tmp_path)}
        assert len(pids) == 3
        runner.kill()
        assert eventually(lambda: not any(map(is_alive, pids)))


def test_a_fork_of_the_loaded_server_trains_with_two_threads(tmp_path: Path):
    with a_server() as client:
        assert len(list(Path(f"/proc/{client.process.pid}/task").iterdir())) == 1
        for number in range(3):
            folder = tmp_path / str(number)
            client.say(a_request(folder, "train"))
            client.answer()
            assert client.answer() == {"id": "one", "exitCode": 0}
            report = Report.model_validate_json((folder / "report").read_bytes())
            assert report.metrics == {"threads": "2"}
