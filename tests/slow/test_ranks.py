"""Stages of several processes, on one node and on two: exit codes, reports, signals, no orphans."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steerlm_jobs.contract.report import Report
from steerlm_jobs.store.clock import pause
from tests.slow.ranked_stage import DIGEST
from tests.slow.train_world import TrainWorld
from tests.unit.train.builders import a_context

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
STAND_IN = ("tests.slow.ranked_stage",)
REAL = ("steerlm_jobs",)


class Launched:
    """A stage program and what it leaves behind."""

    def __init__(self, folder, config, *, program=STAND_IN, **environment):
        folder.mkdir(parents=True, exist_ok=True)
        self.scratch, self._report, self._log = (
            folder / name for name in ("scratch", "report.json", "log.txt")
        )
        file = folder / "config.json"
        file.write_text(config.model_dump_json(by_alias=True))
        links = {"config": file, "report": self._report, "scratch": self.scratch}
        options = [str(a) for name, path in links.items() for a in (f"--{name}", path)]
        paths = os.pathsep.join((str(ROOT), str(ROOT / "operator")))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, config.kind.value, *options],
                env={**os.environ, "PYTHONPATH": paths, **environment},
                cwd=ROOT,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self):
        return self._log.read_text()

    @property
    def report(self):
        return Report.model_validate_json(self._report.read_bytes())

    def end(self):
        """Wait for the end; return the exit code."""
        return self.process.wait(timeout=300)

    def wait_for(self, what, num=1):
        """Wait until so many files match; return them."""
        until = time.monotonic() + 180
        while len(found := list(self.scratch.glob(what))) < num:
            assert time.monotonic() < until, self.log
            assert self.process.poll() is None, self.log
            pause(0.02)
        return found

    def living_ranks(self):
        pids = [int(file.name) for file in self.scratch.glob("pids/*")]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def a_stage(folder, how, processes=2, nodes=1, **execution):
    config = a_context(
        folder / "store", processes_per_node=processes, num_nodes=nodes, **execution
    ).config
    return config.model_copy(update={"salt": how})


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("bad-config:1", 10, "length 9 is too long; lower it"),
        ("memory:0", 13, "the device ran out of memory (tried to allocate)"),
        ("bug:1", 1, "unexpected ZeroDivisionError: what"),
    ],
)
def test_the_first_failing_ranks_code_and_report_are_the_stages(tmp_path, how, code, line):
    stage = Launched(tmp_path, a_stage(tmp_path, how))
    assert stage.end() == code, stage.log
    assert stage.report.exit_code == code
    assert stage.report.message.startswith(line)
    assert stage.report.digest == ""
    assert stage.living_ranks() == []


def test_a_rank_that_is_killed_ends_the_stage_as_if_it_were_killed_itself(tmp_path):
    stage = Launched(tmp_path, a_stage(tmp_path, "killed:1"))
    assert stage.end() == 128 + signal.SIGKILL
    assert "rank 1 was killed by signal 9" in stage.log
    assert stage.living_ranks() == []


def test_a_hung_collective_is_stalled_with_the_stacks_of_all_ranks(tmp_path):
    stage = Launched(tmp_path, a_stage(tmp_path, "hung:1", stall_timeout_seconds=2))
    assert stage.end() == 22, stage.log
    assert stage.report.message.startswith("no progress for 2 s")
    assert stage.log.count("no progress for 2 s; stacks:") == 2
    assert "in any_of" in stage.log  # rank 0 waits for the other
    assert "in wait" in stage.log
    assert stage.living_ranks() == []


def test_sigterm_to_the_launcher_reaches_all_ranks_and_the_stage_is_interrupted(tmp_path):
    stage = Launched(tmp_path, a_stage(tmp_path, "stopped"))
    stage.wait_for("running-*", 2)
    stage.process.terminate()
    assert stage.end() == 21, stage.log
    assert "continues from here" in stage.report.message
    assert stage.living_ranks() == []


def test_no_rank_outlives_a_launcher_that_is_killed(tmp_path):
    stage = Launched(tmp_path, a_stage(tmp_path, "stopped"))
    stage.wait_for("running-*", 2)
    assert len(stage.living_ranks()) == 2
    stage.process.kill()
    stage.process.wait()
    until = time.monotonic() + 10
    while stage.living_ranks():
        assert time.monotonic() < until
        pause(0.02)


@contextlib.contextmanager
def two_nodes(folder, how, processes):
    """Start the programs of two pods of an Indexed Job, on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = a_stage(folder, how, processes, nodes=2)
    stages = [
        Launched(
            folder / f"node-{index}",
            config,
            JOB_COMPLETION_INDEX=str(index),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
        for index in (1, 0)
    ]
    try:
        yield tuple(reversed(stages))
    finally:
        for stage in stages:
            stage.process.kill()
            stage.process.wait()


def test_two_nodes_train_together_and_the_first_reports_the_seal(tmp_path):
    with two_nodes(tmp_path, "well", 1) as (first, second):
        assert (first.end(), second.end()) == (0, 0), first.log + second.log
        assert first.report.metrics == second.report.metrics == {"size": "2"}
        assert (first.report.digest, second.report.digest) == (DIGEST, "")


def test_a_failure_on_one_node_is_that_of_both(tmp_path):
    with two_nodes(tmp_path, "store:3", 2) as (first, second):
        assert (first.end(), second.end()) == (20, 20), first.log + second.log
        assert first.report.message == second.report.message == "no store"


def test_a_stage_of_two_ranks_that_is_stopped_resumes_to_the_same_digest(tmp_path):
    """ZeRO 3, from artifacts to a sealed model, by the real program."""
    reports = {}
    for name in ("whole", "cut"):
        world = TrainWorld(tmp_path / name)
        stage, recipe, inputs = world.acsft(epochs=3)
        for attempt in (1, 2) if name == "cut" else (1,):
            config = world.context(
                stage, recipe, inputs, processes_per_node=2, zero_stage=3, attempt=attempt
            ).config
            running = Launched(tmp_path / name / f"a{attempt}", config, program=REAL)
            if name == "cut" and attempt == 1:
                while '"loss"' not in "".join(
                    f.read_text() for f in running.wait_for("rank-0/curves.jsonl")
                ):
                    pause(0.01)
                running.process.terminate()
                assert running.end() == 21, running.log
            else:
                assert running.end() == 0, running.log
                reports[name] = running.report
    assert reports["cut"].digest == reports["whole"].digest
