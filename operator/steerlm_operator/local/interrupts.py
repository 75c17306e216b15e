"""Ctrl-C and SIGTERM as something that can be asked about: once to stop, twice to kill."""

import signal
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Counts signals while in its `with` block."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}  # Any: what signal.signal returns

    @property
    def ask_to_stop(self) -> bool:
        """True from the first signal on: leave a checkpoint and end."""
        return self.count >= 1

    @property
    def ask_to_kill(self) -> bool:
        """True from the second signal on: do not wait for the checkpoint."""
        return self.count > 1

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the terminal's end is not ours
            self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
