"""Processes that die with the one that started them, however that ends."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def start(
    command: list[str], log: Path, *, environment: dict[str, str] | None = None, at: Path
) -> subprocess.Popen[bytes]:
    """Start a process whose output is added to a log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=None if environment is None else {**os.environ, **environment},
            cwd=at,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # it only makes one system call
        )


def end(process: subprocess.Popen[bytes], *, seconds: float = 5) -> int:
    """Ask a process to end, make it end if it does not; return its exit code."""
    process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def die_with_parent() -> None:
    """Let this process be killed when the one that started it ends: for `preexec_fn`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
