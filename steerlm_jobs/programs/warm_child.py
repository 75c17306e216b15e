"""What a fork of the warm server does to become a stage program of its own."""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.programs.logs import log_to_stderr
from steerlm_jobs.programs.stage import StageRequest, run_stage


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A pipe that nobody writes to: reading it ends when the server is gone."""

    reading: int
    writing: int

    @classmethod
    def new(cls) -> "Lifeline":
        """Make the pipe, in the server."""
        return cls(*os.pipe())

    def hold(self) -> None:
        """In the child: die, with all processes of the stage, when the server dies."""
        os.close(self.writing)
        threading.Thread(target=self._wait, name="lifeline", daemon=True).start()

    def _wait(self) -> None:
        os.read(self.reading, 1)
        os.killpg(0, signal.SIGKILL)


def become_stage(request: StageRequest, log: Path, lifeline: Lifeline) -> NoReturn:
    """Run the stage in this fork and end the process; never returns to the server's code."""
    code = int(ExitCode.BUG)
    try:
        os.setsid()
        stop = _own_signals()
        lifeline.hold()
        _redirect(log)
        log_to_stderr()
        code = run_stage(request, stop)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)  # the exit handlers belong to the server


def _own_signals() -> StopFlag:
    stop = StopFlag()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stop.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return stop


def _redirect(log: Path) -> None:
    """Send stdout and stderr, of native libraries too, to the log; read nothing."""
    log.parent.mkdir(parents=True, exist_ok=True)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    for descriptor in (empty, written):
        os.close(descriptor)
