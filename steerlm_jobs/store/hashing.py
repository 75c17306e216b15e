"""Sizes and SHA-256 of files, hashed in blocks."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from steerlm_jobs.contract.manifest import ContentFile, Digest
from steerlm_jobs.store.failures import local_failures
from steerlm_jobs.store.files import Store

_BLOCK_BYTES: Final = 1 << 20


def stream_digest(file: BinaryIO) -> tuple[int, Digest]:
    """Return (size in bytes, SHA-256) of what is left to read."""
    sha256, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        sha256.update(block)
        size += len(block)
    return size, base64.urlsafe_b64encode(sha256.digest()).decode().rstrip("=")


def file_digest(path: Path) -> tuple[int, Digest]:
    """Return (size in bytes, SHA-256) of a local file."""
    with local_failures(str(path)), path.open("rb") as file:
        return stream_digest(file)


def stored_digest(store: Store, path: str) -> tuple[int, Digest]:
    """Return (size in bytes, SHA-256) of a stored file."""
    with store.open(path) as file:
        return stream_digest(file)


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (relative name with `/`, path) of all files below a local folder, sorted by name."""
    found = ((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    yield from sorted(found)


def content_files(folder: Path, stored_in: str) -> tuple[ContentFile, ...]:
    """Return the entries of a manifest for a local folder that is stored in `stored_in`."""
    entries = []
    for name, path in files_below(folder):
        size, sha256 = file_digest(path)
        entries.append(ContentFile(name=name, path=f"{stored_in}/{name}", size=size, sha256=sha256))
    return tuple(entries)
