"""A store in this process's memory, for tests. Shared by all who name the same address."""

import io
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import fsspec

from steerlm_jobs.store.files import FileStat

_LOCK = threading.RLock()
"""fsspec's memory file system has none: two writers could both find a name free."""


class MemoryStore:
    """fsspec's memory file system below one folder, made safe for several threads."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._root = "/" + self.uri.removeprefix("memory://").strip("/")
        self._files = fsspec.filesystem("memory")

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        with _LOCK:
            return bytes(self._files.cat_file(self._at(path)))

    def open(self, path: str) -> BinaryIO:
        """Open for reading."""
        return io.BytesIO(self.read(path))

    def write(self, path: str, data: bytes) -> None:
        """Write, over what may be there."""
        with _LOCK:
            self._files.pipe_file(self._at(path), data)

    def write_once(self, path: str, data: bytes) -> bool:
        """Write if nothing is there."""
        with _LOCK:
            if self._files.isfile(self._at(path)):
                return False
            self.write(path, data)
            return True

    def put_file(self, local: Path, path: str) -> None:
        """Copy a local file in."""
        self.write(path, local.read_bytes())

    def get_file(self, path: str, local: Path) -> None:
        """Copy out to a local file."""
        data = self.read(path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)

    def list(self, prefix: str = "") -> tuple[FileStat, ...]:
        """Return all files whose path starts with `prefix`, sorted."""
        start = len(self._root.rstrip("/")) + 1
        with _LOCK:
            found = self._files.find(self._root, detail=True)
            times = {name: self._files.modified(name) for name in found}
        stats = (
            FileStat(name[start:], int(info["size"]), str(times[name]), times[name])
            for name, info in found.items()
        )
        return tuple(sorted(s for s in stats if s.path.startswith(prefix)))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete in the given order."""
        with _LOCK:
            for path in paths:
                if self._files.isfile(self._at(path)):
                    self._files.rm_file(self._at(path))

    def local_path(self, path: str) -> Path | None:
        """Return None: there is no such place."""
        del path
        return None

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"
