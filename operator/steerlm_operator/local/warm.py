"""The client of `python -m steerlm_jobs warm`, the server that forks stages with torch loaded."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.local.kept import KeptProcess


@dataclass(slots=True)
class _Fork:
    pid: int | None = None
    exit_code: int | None = None
    wants_stop: bool = False


class WarmServer:
    """Asks the server for stages and remembers what it answered; never waits for an answer."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._kept = KeptProcess(
                [*program, "warm"],
                environment=environment,
                stdin=subprocess.PIPE,
                output=subprocess.PIPE,
                errors=errors,
            )
        self._forks: dict[str, _Fork] = {}
        self._unread = b""
        self._is_ready = False
        if self._kept.process.stdout is not None:
            os.set_blocking(self._kept.process.stdout.fileno(), False)

    def is_ready(self) -> bool:
        """Return True once torch is loaded, until the server ends."""
        self._read()
        return self._is_ready and not self.has_ended()

    def has_ended(self) -> bool:
        """Return True if the server is gone; what it had forked is gone, too."""
        return self._kept.exit_code() is not None

    def launch(self, request: Mapping[str, str]) -> None:
        """Ask for a stage; `request["id"]` is its name from now on."""
        self._forks[request["id"]] = _Fork()
        stdin = self._kept.process.stdin
        if stdin is not None:
            stdin.write(json.dumps(dict(request)).encode() + b"\n")
            stdin.flush()

    def exit_code(self, identity: str) -> int | None:
        """Return None while the stage runs; 137 where the server died under it."""
        self._read()
        code = self._forks[identity].exit_code
        return 128 + signal.SIGKILL if code is None and self.has_ended() else code

    def pid(self, identity: str) -> int | None:
        """Return the process id; None until the server has answered."""
        self._read()
        return self._forks[identity].pid

    def signal(self, identity: str, number: signal.Signals) -> None:
        """Send a signal to the stage, or to all its processes if it is SIGKILL."""
        fork = self._forks[identity]
        if fork.pid is None and number is signal.SIGKILL:
            self._kept.kill()  # a server that does not answer would keep the run for ever
        elif fork.pid is None:
            fork.wants_stop = True
        elif fork.exit_code is None:
            try:
                (os.killpg if number is signal.SIGKILL else os.kill)(fork.pid, number)
            except ProcessLookupError:  # ended; the answer is under way
                return

    def close(self) -> None:
        """End the server and all its stages."""
        self._kept.close()

    def _read(self) -> None:
        stdout = self._kept.process.stdout
        while stdout is not None and not stdout.closed:
            try:
                data = os.read(stdout.fileno(), 1 << 16)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, answer: dict[str, Any]) -> None:  # Any: JSON
        if "ready" in answer:
            self._is_ready = True
            return
        if "error" in answer:
            self._refuse_waiting()
            return
        fork = self._forks.get(answer.get("id", ""))
        if fork is None:
            return
        fork.exit_code = answer.get("exitCode", fork.exit_code)
        fork.pid = answer.get("pid", fork.pid)
        if fork.wants_stop and fork.pid is not None:
            fork.wants_stop = False
            self.signal(answer["id"], signal.SIGTERM)

    def _refuse_waiting(self) -> None:
        """End what was asked for and not started: the server could not read a request."""
        for fork in self._forks.values():
            if fork.pid is None and fork.exit_code is None:
                fork.exit_code = int(ExitCode.BUG)
