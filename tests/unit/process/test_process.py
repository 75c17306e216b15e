"""Stop flag, progress, notes, threads."""

import json
import logging
import os
import signal
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import InterruptedStageError
from steerlm_jobs.contract.report import Progress
from steerlm_jobs.process import c_libraries, progress
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.process.threads import THREAD_VARIABLES, use_threads


@pytest.fixture
def restored_signals():
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_flag_and_a_second_one_changes_nothing(number: signal.Signals):
    stop = StopFlag()
    stop.install()
    stop.raise_if_set()
    for _ in range(2):
        os.kill(os.getpid(), number)
    assert stop.is_set
    with pytest.raises(InterruptedStageError, match="continues from here"):
        stop.raise_if_set()


def test_progress_is_written_at_most_four_times_a_second(tmp_path: Path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic_seconds", lambda: now[0])
    file = tmp_path / "progress.json"
    writer = ProgressWriter(file)

    def seen() -> Progress:
        return Progress.model_validate_json(file.read_bytes())

    writer.update(done=1, total=9, unit="rows")
    writer.update(done=2)
    assert seen() == Progress(done=1, total=9, unit="rows")
    now[0] += progress.MIN_SECONDS_BETWEEN_WRITES
    writer.update(done=3, figures={"loss": 1.5})
    assert seen() == Progress(done=3, total=9, unit="rows", figures={"loss": 1.5})
    writer.update(done=4)
    writer.flush()
    assert seen().done == 4


@pytest.mark.parametrize("change", [{"activity": "pre-training"}, {"checkpoint_step": 7}])
def test_a_new_activity_or_checkpoint_is_written_at_once(tmp_path: Path, change: dict):
    file = tmp_path / "progress.json"
    writer = ProgressWriter(file)
    writer.update(done=1)
    writer.update(**change)
    assert Progress.model_validate_json(file.read_bytes()) == Progress(done=1, **change)
    assert [p.name for p in tmp_path.iterdir()] == ["progress.json"]


def test_progress_is_camel_case_json(tmp_path: Path):
    ProgressWriter(tmp_path / "p").update(checkpoint_step=3)
    assert json.loads((tmp_path / "p").read_text())["checkpointStep"] == 3


def test_lost_progress_ends_no_stage(tmp_path: Path):
    ProgressWriter(tmp_path / "not" / "there").update(done=1)
    writer = ProgressWriter(None)
    writer.update(done=1)
    assert writer.current.done == 1


def test_notes_keep_each_line_once_and_log_it(caplog):
    notes = Notes()
    with caplog.at_level(logging.WARNING):
        for line in ("b", "", "a", "b"):
            notes.add(line)
    assert notes.lines == ("b", "a")
    assert caplog.messages == ["b", "a"]


def test_thread_limits_reach_libraries_loaded_later(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    use_threads(0)
    assert not any(name in os.environ for name in THREAD_VARIABLES)
    use_threads(3)
    assert {os.environ[name] for name in THREAD_VARIABLES} == {"3"}


def test_the_c_libraries_settings_are_applied_once(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.setattr(c_libraries.sys, "platform", "linux")
    for name in c_libraries.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    c_libraries.apply_settings()
    environment = started[0][2]
    assert c_libraries.SETTINGS.items() <= environment.items()
    for name, value in c_libraries.SETTINGS.items():
        monkeypatch.setenv(name, value)
    c_libraries.apply_settings()
    assert len(started) == 1
