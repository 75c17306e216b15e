"""One runner a folder: a file lock that ends with its process, however that ends."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from steerlm_operator.local.errors import WorkdirLockedError


class WorkdirLock:
    """Holds the lock while in its `with` block; the file names the holder's pid."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> "WorkdirLock":
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            msg = (
                f"{self._path.parent.parent}: another steerlm run works here (pid {holder}); "
                "wait for it, stop it, or choose another --workdir"
            )
            raise WorkdirLockedError(msg) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
