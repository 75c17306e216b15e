"""The runner with real processes, over stage programs that need no torch."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.api.status import RunStatus
from steerlm_operator.local.warm import WarmServer
from steerlm_operator.local.workdir import Workdir
from tests.scenario.world import digests

pytestmark = pytest.mark.slow
RUN = Path(__file__).with_name("stand_in_run.py")
ROOT = Path(__file__).parents[2]


def environment(**extra: str) -> dict[str, str]:
    paths = [str(ROOT), str(ROOT / "operator")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}


@contextlib.contextmanager
def runner(workdir: Path, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, str(RUN), str(workdir)],
        env=environment(**extra),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run_through(workdir: Path) -> RunStatus:
    with runner(workdir) as process:
        assert process.wait(timeout=300) == 0  # its bound, not its time
    return status_of(workdir)


def status_of(workdir: Path) -> RunStatus:
    status = Workdir.open(workdir).read_status()
    assert status is not None
    return status


def eventually(is_true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Look again and again until it is true; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def progress_files(workdir: Path, stage: str) -> list[Path]:
    return list((workdir / ".steerlm" / "attempts").glob(f"{stage}-[0-9]*/progress.json"))


def wait_for_stage(workdir: Path, stage: str) -> None:
    """Wait until an attempt of the stage has shown progress."""
    eventually(lambda: bool(progress_files(workdir, stage)), f"{stage} starts")


def processes_below(workdir: Path) -> list[int]:
    """Return the processes whose command line or open files name the workdir."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            files = [str(file.readlink()) for file in (path / "fd").iterdir()]
        except OSError:
            continue
        if os.fsencode(workdir) in command or any(str(workdir) in file for file in files):
            found.append(int(path.name))
    return found


def test_run_ends_well_and_leaves_no_process(tmp_path: Path):
    workdir = tmp_path / "run"
    status = run_through(workdir)
    assert status.progress == "9/9"  # with the second scorer, the default
    assert processes_below(workdir) == []


@pytest.mark.parametrize("stage", ["prepare", "train-apm", "sample-1"])
def test_no_process_is_left_after_kill_9_and_the_next_run_ends_the_same(tmp_path: Path, stage: str):
    undisturbed = digests(run_through(tmp_path / "undisturbed"))
    workdir = tmp_path / "killed"
    with runner(workdir) as process:
        wait_for_stage(workdir, stage)
        assert processes_below(workdir)
        process.kill()
        process.wait()
        eventually(lambda: not processes_below(workdir), "no process is left", seconds=5)
    assert digests(run_through(workdir)) == undisturbed


def test_second_run_gets_one_line_with_the_pid_of_the_first(tmp_path: Path):
    workdir = tmp_path / "run"
    with runner(workdir) as first:
        wait_for_stage(workdir, "prepare")
        with runner(workdir) as second:
            _, errors = second.communicate(timeout=30)
        assert second.returncode == 10
        assert errors.decode().count("\n") == 1
        assert f"pid {first.pid}" in errors.decode()
        assert first.wait(timeout=60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_a_checkpoint_and_the_next_run_ends_the_same(
    tmp_path: Path, number: signal.Signals
):
    undisturbed = digests(run_through(tmp_path / "undisturbed"))
    workdir = tmp_path / "stopped"
    with runner(workdir) as process:
        wait_for_stage(workdir, "annotate")
        process.send_signal(number)
        assert process.wait(timeout=30) == 21
        assert processes_below(workdir) == []
    stopped = next(r for r in status_of(workdir).stages if r.name == "annotate")
    assert (stopped.failures, stopped.disruptions) == (0, 0)
    assert digests(run_through(workdir)) == undisturbed


def test_second_ctrl_c_does_not_wait_for_a_stage_that_does_not_listen(tmp_path: Path):
    workdir = tmp_path / "run"
    with runner(workdir, STAND_IN_STUBBORN="yes", STAND_IN_STEP_SECONDS="1") as process:
        wait_for_stage(workdir, "prepare")
        process.send_signal(signal.SIGINT)
        [progress] = progress_files(workdir, "prepare")
        before = progress.stat().st_mtime_ns + 1_000_000_000
        eventually(lambda: progress.stat().st_mtime_ns > before, "the stage works on")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 21
    assert processes_below(workdir) == []


def test_stage_whose_request_the_warm_server_cannot_read_ends_as_a_bug(tmp_path: Path):
    answers = "import json; input(); print(json.dumps({'error': 'bad'}), flush=True); input()"
    server = WarmServer([sys.executable, "-c", answers], environment(), tmp_path / "log.txt")
    try:
        server.launch({"id": "one"})
        eventually(lambda: server.exit_code("one") is not None, "the answer")
        assert server.exit_code("one") == ExitCode.BUG
    finally:
        server.close()


def test_killed_stage_is_tried_again(tmp_path: Path):
    workdir = tmp_path / "run"
    with runner(workdir) as process:
        wait_for_stage(workdir, "train-apm")
        victims = [
            pid
            for pid in processes_below(workdir / ".steerlm" / "attempts" / "train-apm-1")
            if pid != process.pid
        ]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=300) == 0  # its bound, not its time
    record = next(r for r in status_of(workdir).stages if r.name == "train-apm")
    assert (record.attempt, record.failures) == (2, 1)
    assert record.last_failures[0].exit_code == 137
