"""Short keys for what is counted once, and sets of them that memory does not limit."""

import hashlib
from collections.abc import Iterable
from typing import Final, Self

from steerlm_jobs.data.scratch_database import scratch_database

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
"""SQLite's integers are signed."""


class KeySet:
    """Short keys on disk: memory stays the same however many there are."""

    def __init__(self) -> None:
        self._database = scratch_database("CREATE TABLE keys (key INTEGER PRIMARY KEY)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def __del__(self) -> None:
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
