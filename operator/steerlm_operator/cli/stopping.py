"""Ctrl-C while a command works: one line at once, and exit code 21. Imports next to nothing.

`steerlm run` takes its own way while stages run: `local/interrupts.py`.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

STOPPED: Final = 21
"""`ExitCode.INTERRUPTED`, which takes longer to import than somebody who regrets will wait."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(BaseException):
    """Somebody asked this process to end. No `KeyboardInterrupt`: click makes an Abort of that."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise `StoppedError` in the main thread where a signal asks to end; say so at once."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]  # nohup
    for number in heard:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _stop(_number: int, _frame: FrameType | None) -> None:
    over_a_spinner = b"\r\x1b[2K" if os.isatty(sys.stderr.fileno()) else b""
    os.write(sys.stderr.fileno(), over_a_spinner + b"steerlm: stopping ...\n")
    raise StoppedError
