"""Digests of roots, remembered by size and ETag or time of modification: a second run is quick."""

import json
from typing import Final

from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.data.roots import Root
from steerlm_jobs.store.files import Store
from steerlm_jobs.store.hashing import stored_digest

MEMORY: Final = ".steerlm/digests.json"
"""Beside the artifacts of a run. A lost or damaged memory costs time, nothing else."""


class RootDigests:
    """Digests roots; what did not change since the last time is not read again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = _remembered(store)
        self._is_changed = False

    def of(self, root: Root) -> Digest:
        """Return SHA-256 over (name, size, SHA-256) of the root's files.

        The name of a single file, and where a root lies, do not matter.
        """
        rows = []
        for stat in root.files:
            name = "" if root.is_file else stat.path
            key = f"{root.store.uri}/{stat.path}"
            stamp: list[int | str] = [stat.size, stat.tag]
            known = self._known.get(key)
            if known is None or known[:2] != stamp:
                known = [*stamp, stored_digest(root.store, stat.path)[1]]
                self._known[key] = known
                self._is_changed = True
            rows.append([name, stat.size, known[2]])
        return short_sha256(canonical_json(rows).encode())

    def remember(self) -> None:
        """Write what is new to the memory."""
        if self._is_changed:
            self._store.write(MEMORY, json.dumps(self._known, sort_keys=True).encode())


def _remembered(store: Store) -> dict[str, list[int | str]]:
    try:
        known = json.loads(store.read(MEMORY))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {
        k: v for k, v in known.items() if isinstance(v, list) and len(v) == 3
    }  # size, tag, digest
