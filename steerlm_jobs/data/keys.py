"""Short keys for what is counted once, and sets of them that memory does not limit."""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

_BYTES: Final = 8
"""Of a million keys, two are the same by chance once in 37 million data sets."""


def short_key(parts: Iterable[str]) -> int:
    """Return a number for a sequence of texts; the same in every process."""
    digest = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(digest.digest(), "big")


_TO_SIGNED: Final = 1 << 63
_CACHE_KIB: Final = 4096


class KeySet:
    """Short keys, in a file without a name that ends with it: memory stays the same at any number.

    SQLite, because it ships with Python; without journal and without waiting for the disk, since
    nothing of it outlives the process.
    """

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="steerlm-keys-")
        os.close(handle)
        self._database = sqlite3.connect(name)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE keys (key INTEGER PRIMARY KEY)")
        Path(name).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def __contains__(self, key: int) -> bool:
        query = "SELECT 1 FROM keys WHERE key = ?"
        return self._database.execute(query, (key - _TO_SIGNED,)).fetchone() is not None

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM keys").fetchone()[0])

    def add(self, key: int) -> bool:
        """Add a key; return False if it was there already."""
        query = "INSERT OR IGNORE INTO keys VALUES (?)"
        return self._database.execute(query, (key - _TO_SIGNED,)).rowcount == 1
