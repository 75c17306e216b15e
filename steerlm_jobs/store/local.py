"""A store in a local folder. A write is whole or absent: temporary file, fsync, link or rename."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from steerlm_jobs.store.failures import local_failures
from steerlm_jobs.store.files import FileStat, local_folder

PART_PREFIX: Final = ".part-"
"""Name of an unfinished file; listings do not show it, a kill may leave it behind."""
_NO_HARD_LINKS: Final = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)


class LocalStore:
    """Files below one folder of this machine."""

    def __init__(self, uri: str) -> None:
        self.root = local_folder(uri)
        self.uri = uri.rstrip("/") or "/"

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        with local_failures(self._name(path)):
            return self._at(path).read_bytes()

    def open(self, path: str) -> BinaryIO:
        """Open for reading."""
        with local_failures(self._name(path)):
            return self._at(path).open("rb")

    def write(self, path: str, data: bytes) -> None:
        """Write atomically, over what may be there."""
        with self._part_of(path, lambda file: _write(file, data)) as part:
            part.replace(self._at(path))

    def write_once(self, path: str, data: bytes) -> bool:
        """Write if nothing is there: `link` fails where the name exists."""
        with self._part_of(path, lambda file: _write(file, data)) as part:
            return _link(part, self._at(path), data)

    def put_file(self, local: Path, path: str) -> None:
        """Copy a file in. One that lies at its place already is only made durable."""
        if self._at(path).exists() and local.samefile(self._at(path)):
            with local_failures(self._name(path)):
                _sync(local)
            return
        with self._part_of(path, lambda file: _copy(local, file)) as part:
            part.replace(self._at(path))

    def get_file(self, path: str, local: Path) -> None:
        """Copy out."""
        with local_failures(str(local)):
            local.parent.mkdir(parents=True, exist_ok=True)
            part = local.with_name(f"{PART_PREFIX}{secrets.token_hex(8)}")
            try:
                shutil.copyfile(self._at(path), part)
                part.replace(local)
            finally:
                part.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> tuple[FileStat, ...]:
        """Return all files whose path starts with `prefix`, sorted."""
        top = self._at(prefix.rpartition("/")[0])
        with local_failures(str(top)):
            return tuple(sorted(s for s in self._walk(top) if s.path.startswith(prefix)))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete in the given order, and folders that are empty then."""
        for path in paths:
            with local_failures(self._name(path)):
                self._at(path).unlink(missing_ok=True)
                self._remove_empty_parents(self._at(path).parent)

    def local_path(self, path: str) -> Path | None:
        """Return where the file lies."""
        return self._at(path)

    def _at(self, path: str) -> Path:
        return self.root / path if path else self.root

    def _name(self, path: str) -> str:
        return str(self._at(path))

    def _walk(self, top: Path) -> Iterator[FileStat]:
        for folder, _, names in os.walk(top, onerror=_refuse_unreadable):
            for name in names:
                if name.startswith(PART_PREFIX):
                    continue
                file = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):  # deleted while we looked
                    yield file_stat(file, file.relative_to(self.root).as_posix())

    def _remove_empty_parents(self, folder: Path) -> None:
        while folder != self.root and self.root in folder.parents:
            try:
                folder.rmdir()
            except OSError:  # not empty, or another writer was faster
                return
            folder = folder.parent

    @contextlib.contextmanager
    def _part_of(self, path: str, fill: Callable[[BinaryIO], None]) -> Iterator[Path]:
        """Yield a finished, durable temporary file beside `path`; it is gone afterwards."""
        target = self._at(path)
        part = target.with_name(f"{PART_PREFIX}{secrets.token_hex(8)}")
        with local_failures(str(target)):
            try:
                with _open_new(part) as file:
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())
                yield part
                _sync(target.parent)
            finally:
                part.unlink(missing_ok=True)


def file_stat(file: Path, path: str) -> FileStat:
    """Return a local file as a listing shows it under the name `path`."""
    stat = file.stat()
    modified_at = datetime.fromtimestamp(stat.st_mtime, UTC)
    return FileStat(path, stat.st_size, str(stat.st_mtime_ns), modified_at)


def _open_new(path: Path) -> BinaryIO:
    """Open for writing; made again with its folder if another writer removed that as empty."""
    for _ in range(10):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return path.open("xb")
    return path.open("xb")


def _refuse_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a folder that went while we looked
        raise error


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _copy(local: Path, file: BinaryIO) -> None:
    with local.open("rb") as source:
        shutil.copyfileobj(source, file, 1 << 20)


def _link(part: Path, target: Path, data: bytes) -> bool:
    try:
        target.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create_exclusively(target, data)
    return True


def _create_exclusively(target: Path, data: bytes) -> bool:
    """Fallback for file systems without hard links: exclusive, but a kill could leave it short.

    A short manifest is refused by its readers.
    """
    try:
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
