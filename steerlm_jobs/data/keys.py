"""Short keys for what is counted once: a million of them fit into memory, as texts they do not."""

import hashlib
from collections.abc import Iterable
from typing import Final

_BYTES: Final = 8
"""Of a million keys, two are the same by chance once in 37 million data sets."""


def short_key(parts: Iterable[str]) -> int:
    """Return a number for a sequence of texts; the same in every process."""
    digest = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(digest.digest(), "big")
