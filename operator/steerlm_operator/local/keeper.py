"""Runs one command and takes it along when the runner dies, kill -9 included.

    python keeper.py DESCRIPTOR COMMAND...

The descriptor is the reading end of a pipe whose writing end only the runner has: when it ends,
all processes of the command are killed. SIGTERM is passed on; the exit code is the command's, or
128 + signal. Run by path, imports nothing of ours: it starts in a few hundredths of a second.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def keep(lifeline: int, command: list[str]) -> int:
    """Run the command to its end and return its exit code."""
    stop_asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop_asked.set())
    child = subprocess.Popen(command, start_new_session=True)  # noqa: S603  # the runner's command
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.terminate())
    if stop_asked.is_set():
        child.terminate()
    threading.Thread(target=_die_with_runner, args=(lifeline, child.pid), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _die_with_runner(lifeline: int, group: int) -> None:
    os.read(lifeline, 1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
