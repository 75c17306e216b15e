"""Attempts as processes of this machine: forks of the warm server, or programs of their own."""

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Progress
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Launch, Stop
from steerlm_operator.local.attempts import AttemptFolder, attempt_folders
from steerlm_operator.local.clock import pause, utc_now
from steerlm_operator.local.commands import JOBS_PROGRAM, jobs_environment
from steerlm_operator.local.kept import KeptProcess
from steerlm_operator.local.warm import WarmServer
from steerlm_operator.local.workdir import Workdir

_LOOK_EVERY_SECONDS: Final = 0.05


class _Process(Protocol):
    """A running stage program."""

    @property
    def uid(self) -> str: ...
    def exit_code(self) -> int | None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(slots=True)
class _Running:
    """An attempt of ours that has not been seen to end."""

    folder: AttemptFolder
    process: _Process
    started_at: datetime
    progress: Progress | None = None
    progressed_at: datetime | None = None
    stop_asked_at: datetime | None = None


class ProcessHost:
    """Runs attempts below a workdir. Nothing it started outlives this process."""

    def __init__(self, workdir: Workdir, program: Sequence[str] = JOBS_PROGRAM) -> None:
        self._workdir = workdir
        self._program = program
        self._environment = jobs_environment()
        self._warm: WarmServer | None = None
        self._running: dict[tuple[StageId, int], _Running] = {}
        self._ended = {
            (folder.stage, folder.number): folder.left_behind()
            for folder in attempt_folders(workdir.attempts)
        }

    def __enter__(self) -> "ProcessHost":
        """Start loading torch for the stages after prepare."""
        if hasattr(os, "fork"):
            log = self._workdir.own / "warm.log"
            self._warm = WarmServer(self._program, self._environment, log)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.kill()
        if self._warm is not None:
            self._warm.close()

    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts that were ever launched below this workdir."""
        self._reap()
        return (*self._ended.values(), *(_seen(running) for running in self._running.values()))

    def launch(self, action: Launch) -> None:
        """Start the stage program, forked where torch is loaded already."""
        folder = AttemptFolder.create(self._workdir.attempts, action.config)
        started_at = utc_now()
        process = self._start(folder, action)
        self._running[action.stage, action.attempt] = _Running(folder, process, started_at)
        folder.record_start(process.uid, started_at)

    def stop(self, action: Stop) -> None:
        """Send SIGTERM, once; SIGKILL when its grace is over."""
        running = self._running.get((action.stage, action.attempt))
        if running is None:
            return
        now = utc_now()
        if running.stop_asked_at is None:
            running.stop_asked_at = now
            running.process.stop()
        elif action.grace_seconds is not None:
            grace = timedelta(seconds=action.grace_seconds)
            if now > running.stop_asked_at + grace:
                running.process.kill()

    def kill(self) -> None:
        """Kill what runs."""
        for running in self._running.values():
            running.process.kill()

    def wait(self, seconds: float) -> None:
        """Return when an attempt has ended, at the latest after so many seconds."""
        until = utc_now() + timedelta(seconds=seconds)
        while utc_now() < until:
            if any(r.process.exit_code() is not None for r in self._running.values()):
                return
            pause(min(_LOOK_EVERY_SECONDS, seconds))

    def _start(self, folder: AttemptFolder, action: Launch) -> _Process:
        kind = action.config.kind
        if self._warm is not None and self._is_for_warm(self._warm, action):
            return _WarmProcess(self._warm, folder, kind, self._scratch(folder))
        environment = {**self._environment, **dict(action.environment)}
        return _OwnProcess(self._command(folder, kind), folder, environment)

    @staticmethod
    def _is_for_warm(warm: WarmServer, action: Launch) -> bool:
        """Return True if a fork has the stage's environment and is the quicker way."""
        if action.environment or warm.has_ended():
            return False
        # prepare needs torch only where nothing is cached: it does not wait for the server.
        return action.config.kind is not StageKind.PREPARE or warm.is_ready()

    def _command(self, folder: AttemptFolder, kind: StageKind) -> list[str]:
        command = [*self._program, kind.value]
        for option, path in _links(folder, self._scratch(folder)).items():
            command += [f"--{option}", str(path)]
        return command

    def _scratch(self, folder: AttemptFolder) -> Path:
        return self._workdir.own / "scratch" / folder.root.name

    def _reap(self) -> None:
        for key, running in tuple(self._running.items()):
            code = running.process.exit_code()
            if code is not None:
                uid, ended_at = running.process.uid, utc_now()
                running.folder.record_end(uid, running.started_at, ended_at, code)
                self._ended[key] = running.folder.left_behind()
                shutil.rmtree(self._scratch(running.folder), ignore_errors=True)
                del self._running[key]


def _links(folder: AttemptFolder, scratch: Path) -> dict[str, Path]:
    return {
        "config": folder.config,
        "report": folder.report,
        "progress": folder.progress,
        "scratch": scratch,
    }


def _seen(running: _Running) -> Attempt:
    progress = running.folder.read_progress()
    if progress is not None and progress != running.progress:
        running.progress, running.progressed_at = progress, utc_now()
    return Attempt(
        running.folder.stage,
        running.folder.number,
        AttemptState.ACTIVE,
        uid=running.process.uid,
        progress=running.progress,
        started_at=running.started_at,
        progressed_at=running.progressed_at or running.started_at,
    )


class _OwnProcess:
    """A stage program under the keeper."""

    def __init__(
        self, command: Sequence[str], folder: AttemptFolder, environment: dict[str, str]
    ) -> None:
        with folder.log.open("wb") as log:
            self._kept = KeptProcess(command, environment=environment, output=log, errors=log)

    @property
    def uid(self) -> str:
        return f"process-{self._kept.pid}"

    def exit_code(self) -> int | None:
        return self._kept.exit_code()

    def stop(self) -> None:
        self._kept.stop()

    def kill(self) -> None:
        self._kept.kill()


class _WarmProcess:
    """A stage program forked by the warm server."""

    def __init__(
        self, server: WarmServer, folder: AttemptFolder, kind: StageKind, scratch: Path
    ) -> None:
        self._server = server
        self._name = folder.root.name
        links = {option: str(path) for option, path in _links(folder, scratch).items()}
        server.launch({"id": self._name, "kind": kind.value, "log": str(folder.log), **links})

    @property
    def uid(self) -> str:
        return f"fork-{self._name}"

    def exit_code(self) -> int | None:
        return self._server.exit_code(self._name)

    def stop(self) -> None:
        self._server.signal(self._name, signal.SIGTERM)

    def kill(self) -> None:
        self._server.signal(self._name, signal.SIGKILL)
