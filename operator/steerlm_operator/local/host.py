"""What the runner needs of the place where attempts run; tests have one in memory."""

from typing import Protocol

from steerlm_operator.core.observed import Attempt, Launch, Stop


class AttemptHost(Protocol):
    """Starts, stops and watches the attempts of one run."""

    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts that were ever launched here, as they are now."""
        ...

    def launch(self, action: Launch) -> None:
        """Start an attempt.

        Raises:
            FileExistsError: It was launched before.
        """
        ...

    def stop(self, action: Stop) -> None:
        """Ask an attempt to end; kill it if it was asked longer than its grace ago."""
        ...

    def kill(self) -> None:
        """Kill what runs."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when an attempt has ended, at the latest after so many seconds."""
        ...
