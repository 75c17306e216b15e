"""Ends a process that makes no progress, or whose parent is gone. For the ranks of a training.

A collective that hangs holds the main thread outside Python: no signal and no exception reaches
it. So a thread looks after it, and leaves the stacks of all threads in the log.
"""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.store.clock import monotonic_seconds

_LOOK_EVERY_SECONDS: Final = 0.25


class Watchdog:
    """Watches the progress of this process from a thread of its own."""

    def __init__(
        self, progress: ProgressWriter, timeout_seconds: float, on_stall: Callable[[], None]
    ) -> None:
        """Prepare to watch.

        Args:
            progress: Any change of it is a sign of life; the first one starts the watch.
            timeout_seconds: For how long there may be none.
            on_stall: Called once, after the stacks were written; ends the process.
        """
        self._progress, self._timeout_seconds, self._on_stall = progress, timeout_seconds, on_stall
        self._parent = os.getppid()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop watching, at once."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        first = seen = self._progress.current
        seen_at = monotonic_seconds()
        while not self._is_over.wait(_LOOK_EVERY_SECONDS):
            if os.getppid() != self._parent:
                os.killpg(0, signal.SIGKILL)
            current = self._progress.current
            if current is not seen:
                seen, seen_at = current, monotonic_seconds()
            elif seen is not first and monotonic_seconds() - seen_at > self._timeout_seconds:
                self._bark()
                return

    def _bark(self) -> None:
        sys.stderr.write(f"no progress for {self._timeout_seconds:g} s; stacks:\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        self._on_stall()
