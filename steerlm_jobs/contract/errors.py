"""Exit codes of a stage program, and the exceptions that carry them.

The job says *what* happened; whoever started it decides *whether* to try again
(docs/architecture.md, "Failures").
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit code of a stage program or of `steerlm`; part of the contract, never renumbered."""

    OK = 0
    BUG = 1
    """An exception nobody expected. Retried, counts against the limit."""
    BAD_USAGE = 2
    """The command line: an unknown option, a missing argument."""
    GATE_FAILED = 3
    """Only `steerlm run`: every stage succeeded, an evaluation gate did not hold."""
    BAD_CONFIG = 10
    BAD_INPUT = 11
    DIVERGED = 12
    OUT_OF_MEMORY = 13
    STORE_UNAVAILABLE = 20
    INTERRUPTED = 21
    """SIGTERM or Ctrl-C; a checkpoint was written where the stage has one."""
    STALLED = 22


NEVER_RETRIED = frozenset(
    {ExitCode.BAD_CONFIG, ExitCode.BAD_INPUT, ExitCode.DIVERGED, ExitCode.OUT_OF_MEMORY}
)
"""A second attempt with the same config would end the same way."""


class StageError(Exception):
    """An end of a stage that has a code and one line for people: what, which value, what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG


class BadConfigError(StageError):
    """The spec, model or a gate asks for something that cannot be done."""

    exit_code = ExitCode.BAD_CONFIG


class BadInputError(StageError):
    """Data is missing, malformed or damaged."""

    exit_code = ExitCode.BAD_INPUT


class DivergedError(StageError):
    """The loss or a gradient was not finite three times in a row."""

    exit_code = ExitCode.DIVERGED


class OutOfMemoryError(StageError):
    """The device ran out of memory; the message names a batch that would fit."""

    exit_code = ExitCode.OUT_OF_MEMORY


class StoreUnavailableError(StageError):
    """The store could not be read or written (full disk included); trying again may help."""

    exit_code = ExitCode.STORE_UNAVAILABLE


class InterruptedStageError(StageError):
    """The stage was asked to stop and has left its checkpoint."""

    exit_code = ExitCode.INTERRUPTED


class StalledError(StageError):
    """No step was made for longer than the stall time-out."""

    exit_code = ExitCode.STALLED
