"""`warm`: load torch once, then fork a stage program for each line on stdin.

    stdin   {"id", "kind", "config", "report", "progress", "scratch", "log"}
    stdout  {"ready": true}, then for each request {"id", "pid"} and, at its end, {"id", "exitCode"}

A client stops a stage by a signal to its pid. Ends when stdin ends. The children hold the reading
end of a pipe, the lifeline, whose writing end only this process has: however it dies, they notice.
This process has one thread and computes nothing: a fork with running thread pools would hang.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.values import Value
from steerlm_jobs.programs.recipes import recipe_of
from steerlm_jobs.programs.stage import StageRequest
from steerlm_jobs.programs.warm_child import Lifeline, become_stage

PRELOADED: Final = {
    "torch": (),
    "transformers": ("AutoModel", "AutoModelForCausalLM", "AutoTokenizer", "LlamaForCausalLM"),
}
"""Modules, and the names that transformers would load only at first use."""


class WarmRequest(Value):
    """One line of stdin."""

    id: str
    """Returned with each answer; chosen by the client."""
    kind: StageKind
    config: Path
    report: Path
    progress: Path | None = None
    scratch: Path | None = None
    log: Path
    """Stdout and stderr of the stage; written anew."""

    @property
    def stage(self) -> StageRequest:
        """The same as the stage program takes it."""
        return StageRequest(self.kind, self.config, self.report, self.progress, self.scratch)


def serve() -> None:
    """Load, say ready, and serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, who tells the stages
    _preload()
    gc.freeze()  # children would copy every page that the collector touches
    server = _Server(Lifeline.new())
    _say({"ready": True})
    server.run()


def _preload() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's OpenBLAS starts its threads when loaded
    for name, members in PRELOADED.items():
        module = importlib.import_module(name)
        for member in members:
            getattr(module, member)
    for kind in StageKind:
        recipe_of(kind)


class _Server:
    """Waits for requests and for the ends of children; one thread, no polling."""

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self._ids: dict[int, str] = {}
        self._unread = b""
        self._wakeup = _wakeup_at_child_exit()

    def run(self) -> None:
        """Serve until stdin ends; what still runs then dies with the lifeline."""
        stdin = sys.stdin.fileno()
        while True:
            ready, _, _ = select.select([stdin, self._wakeup], [], [])
            if self._wakeup in ready:
                os.read(self._wakeup, 1024)
                self._report_ended()
            if stdin in ready:
                data = os.read(stdin, 1 << 16)
                if not data:
                    return
                for line in self._lines(data):
                    self._start(line)

    def _lines(self, data: bytes) -> Iterator[bytes]:
        *lines, self._unread = (self._unread + data).split(b"\n")
        yield from (line for line in lines if line.strip())

    def _start(self, line: bytes) -> None:
        try:
            request = WarmRequest.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            _say({"error": f"bad request: {first['loc']}: {first['msg']}"})
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the child has its flag
        pid = os.fork()
        if pid == 0:
            become_stage(request.stage, request.log, self._lifeline)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        self._ids[pid] = request.id
        _say({"id": request.id, "pid": pid})

    def _report_ended(self) -> None:
        while self._ids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            _say({"id": self._ids.pop(pid), "exitCode": code if code >= 0 else 128 - code})


def _wakeup_at_child_exit() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _say(answer: dict[str, Any]) -> None:  # Any: JSON
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
