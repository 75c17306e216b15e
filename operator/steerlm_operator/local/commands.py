"""How the stage programs are called on this machine."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.local.errors import JobsMissingError, ProgramFailedError

JOBS_PROGRAM: Final = (sys.executable, "-P", "-m", "steerlm_jobs")
"""-P: a file of the caller's folder that is named like a module of ours must not replace it."""
_OWN_GROUP: Final = 0
"""Of `process_group`: Ctrl-C is for this process alone, which then kills the program it runs."""
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
    done = subprocess.run(  # noqa: S603  # our own program, no shell
        [*JOBS_PROGRAM, *arguments],
        env=jobs_environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        process_group=_OWN_GROUP,
    )
    return done.returncode


def program_output(arguments: Sequence[str]) -> str:
    """Run a program of the jobs and return what it prints.

    Raises:
        ProgramFailedError: It failed; the message is its last line.
    """
    done = subprocess.run(  # noqa: S603  # our own program, no shell
        [*JOBS_PROGRAM, *arguments],
        env=jobs_environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        process_group=_OWN_GROUP,
        capture_output=True,
        text=True,
    )
    if done.returncode != ExitCode.OK:
        lines = done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}"]
        raise ProgramFailedError(lines[-1], done.returncode)
    return done.stdout


def become_program(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by a program of the jobs: signals reach it, and its end is ours."""
    command = [*JOBS_PROGRAM, *arguments]
    os.execve(command[0], command, jobs_environment())  # noqa: S606  # our own program, no shell
