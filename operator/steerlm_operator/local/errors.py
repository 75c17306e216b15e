"""What ends `steerlm` on one machine before or beside a stage: one line, one exit code."""

from steerlm_jobs.contract.errors import ExitCode


class LocalError(Exception):
    """An end of the command with one line for people."""

    exit_code: int = ExitCode.BAD_CONFIG


class WorkdirError(LocalError):
    """The folder is no run's folder, or its run has not come so far."""


class WorkdirDamagedError(WorkdirError):
    """The folder is a run's, and one of its files cannot be read as what it should be."""

    exit_code = ExitCode.BAD_INPUT


class WorkdirUnusableError(WorkdirError):
    """The folder cannot be read or written."""

    exit_code = ExitCode.STORE_UNAVAILABLE


class QuestionError(LocalError):
    """`ask` was given no prompt, or levels that the model does not have."""


class WorkdirLockedError(LocalError):
    """Another process runs there."""


class JobsMissingError(LocalError):
    """The stage programs' dependencies are not installed."""


class SecretMissingError(LocalError):
    """A key that the run will need is not there."""


class FileMissingError(LocalError):
    """A file named on the command line cannot be read."""


class ProgramFailedError(LocalError):
    """A program of the jobs has failed; its line, its exit code."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code
