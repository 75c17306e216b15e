"""How the stage programs are called on this machine."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.local.errors import JobsMissingError, ProgramFailedError
from steerlm_operator.local.kept import KeptProcess

JOBS_PROGRAM: Final = (sys.executable, "-P", "-m", "steerlm_jobs")
"""-P: a file of the caller's folder that is named like a module of ours must not replace it."""
_STDOUT: Final = 1
_STDERR: Final = 2
_NEEDED: Final = ("torch", "transformers", "fsspec", "safetensors")


def require_jobs() -> None:
    """Check that stage programs can run.

    Raises:
        JobsMissingError: Something they import is not installed.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        msg = (
            f"the stage programs need {', '.join(missing)}, not installed here; install them with "
            "pip install 'steerlm[operator,jobs]'"
        )
        raise JobsMissingError(msg)


def jobs_environment() -> dict[str, str]:
    """Return the environment of the stage programs: this process's, with tokenizers on one thread.

    Their threads and a fork do not go together, and texts here are too short to gain from them.
    """
    return {**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def run_program(arguments: Sequence[str]) -> int:
    """Run a program of the jobs on this terminal; return its exit code."""
    with contextlib.closing(_started(arguments, _STDOUT, _STDERR)) as kept:
        return kept.process.wait()


def program_output(arguments: Sequence[str]) -> str:
    """Run a program of the jobs and return what it prints.

    Raises:
        ProgramFailedError: It failed; the message is its last line.
    """
    with contextlib.closing(_started(arguments, subprocess.PIPE, subprocess.PIPE)) as kept:
        output, errors = kept.process.communicate()
    code = kept.process.returncode
    if code != ExitCode.OK:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise ProgramFailedError(lines[-1] if lines else f"ended with exit code {code}", code)
    return str(output.decode(errors="replace"))


def _started(arguments: Sequence[str], output: int, errors: int) -> KeptProcess:
    """Start a program out of Ctrl-C's reach, which is for this process, and dying with it."""
    command = [*JOBS_PROGRAM, *arguments]
    return KeptProcess(command, environment=jobs_environment(), output=output, errors=errors)


def become_program(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by a program of the jobs: signals reach it, and its end is ours."""
    command = [*JOBS_PROGRAM, *arguments]
    os.execve(command[0], command, jobs_environment())  # noqa: S606  # our own program, no shell
