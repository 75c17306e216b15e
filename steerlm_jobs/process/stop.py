"""The wish that a stage ends early, as a flag: work is only ever left between two steps."""

import signal

from steerlm_jobs.contract.errors import InterruptedStageError


class StopFlag:
    """Set once, by a signal or by the program; never falls.

    A plain attribute: a lock could be held by the very code that a second signal interrupts.
    """

    def __init__(self) -> None:
        self._is_set = False

    def install(self) -> None:
        """Let SIGTERM and SIGINT set the flag; a second Ctrl-C changes nothing.

        Call it in the main thread of the process.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def set(self) -> None:
        """Ask the stage to end after its current step."""
        self._is_set = True

    @property
    def is_set(self) -> bool:
        """True once the stage should write its checkpoint and end."""
        return self._is_set

    def raise_if_set(self) -> None:
        """End the stage if it was asked to stop.

        Raises:
            InterruptedStageError: The flag is set.
        """
        if self.is_set:
            raise InterruptedStageError("stopped by a signal; the same command continues from here")

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.set()
