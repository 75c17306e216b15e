"""The `Store` port: named bytes below one root. Knows nothing of artifacts.

Writing once is the only coordination between writers: `write_once` succeeds for exactly one of
them, on every store, also after a crash.
"""

import secrets
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from steerlm_jobs.contract.errors import BadConfigError


@dataclass(frozen=True, slots=True, order=True)
class FileStat:
    """A stored file, as a listing shows it."""

    path: str
    """Relative to the store's root, with `/`."""
    size: int
    tag: str
    """Changes when the content does: the ETag, or the time of modification in nanoseconds."""
    modified_at: datetime
    """By the store's own clock, in UTC."""


class Store(Protocol):
    """Named bytes below a root. Paths are relative, with `/`.

    All methods raise `StoreUnavailableError` where trying again may help (network, full disk),
    `BadConfigError` where it will not (no permission, no bucket, no credentials), and
    `FileNotFoundError` for a file that is not there.
    """

    uri: str
    """The root, without a trailing slash."""

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open for reading, for content that should not be held in memory."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write atomically, over what may be there. For this writer's own folder only."""
        ...

    def write_once(self, path: str, data: bytes) -> bool:
        """Write if nothing is there. False: something is, and it stays as it was."""
        ...

    def put_file(self, local: Path, path: str) -> None:
        """Copy a local file in, atomically."""
        ...

    def get_file(self, path: str, local: Path) -> None:
        """Copy out to a local file, whose folder is made; atomically."""
        ...

    def list(self, prefix: str = "") -> tuple[FileStat, ...]:
        """Return all files whose path starts with `prefix`, sorted by path; never from a cache."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Delete in the given order; what is not there already is fine."""
        ...

    def local_path(self, path: str) -> Path | None:
        """Return where the file lies on a local disk; None unless this is a local folder."""
        ...


def is_local(uri: str) -> bool:
    """Return True for `file://` addresses and plain paths."""
    return "://" not in uri or uri.startswith("file://")


def local_folder(uri: str) -> Path:
    """Return the path that a `file://` address or a plain path names."""
    if uri.startswith("file://"):
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path))
    return Path(uri)


def open_store(uri: str) -> Store:
    """Open the store at `file://`, a plain path, `s3://bucket/...` or `memory://`.

    Raises:
        BadConfigError: The scheme is none of these.
    """
    if is_local(uri):
        from steerlm_jobs.store.local import LocalStore

        return LocalStore(uri)
    scheme = uri.partition("://")[0]
    if scheme == "s3":
        from steerlm_jobs.store.s3 import S3Store

        return S3Store(uri)
    if scheme == "memory":
        from steerlm_jobs.store.memory import MemoryStore

        return MemoryStore(uri)
    msg = f"{uri}: unknown scheme {scheme!r}; use file://, s3:// or memory://"
    raise BadConfigError(msg)


def check_conditional_writes(store: Store) -> None:
    """Prove that the second of two `write_once` calls is refused.

    Raises:
        BadConfigError: The store lets the second one through, so two attempts could mix.
    """
    probe = f".steerlm-probe-{secrets.token_hex(8)}"
    store.write_once(probe, b"first")
    is_refused = not store.write_once(probe, b"second")
    store.delete([probe])
    if not is_refused:
        msg = (
            f"{store.uri}: StoreLacksConditionalWrites: the store ignores If-None-Match; "
            "use one that honours it (AWS S3, MinIO, Ceph, versitygw)"
        )
        raise BadConfigError(msg)
