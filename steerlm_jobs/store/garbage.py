"""What `steerlm gc` may delete: a decision over a listing. Pure, but for reading manifests.

Kept are the results that are young, or marked to be kept, and all that they were made from, as far
back as it goes (docs/adr, "What gc keeps").
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import MANIFEST_NAME, Manifest
from steerlm_jobs.store.files import FileStat
from steerlm_jobs.store.uses import FOLDER as USES

KEEP: Final = "keep"
"""A file of this name in a result's folder keeps the result, however old, and what it reaches."""
_GRAPH_ORDER: Final = tuple(StageKind)


class Why(StrEnum):
    """Why something goes."""

    NOT_REACHED = "no kept result was made from it"
    UNFINISHED = "never finished"
    LEFTOVER = "leftovers of attempts"


@dataclass(frozen=True, slots=True)
class Folder:
    """A result's folder, finished or not, as a listing shows it."""

    kind: StageKind
    fingerprint: str
    files: tuple[FileStat, ...]
    """Paths relative to the folder."""

    @property
    def paths(self) -> frozenset[str]:
        """Names of the files."""
        return frozenset(file.path for file in self.files)

    @property
    def is_sealed(self) -> bool:
        """True if the result exists."""
        return MANIFEST_NAME in self.paths

    @property
    def newest(self) -> datetime:
        """When something was written last."""
        return max(file.modified_at for file in self.files)


@dataclass(frozen=True, slots=True)
class Doomed:
    """Files of one folder that go, the manifest first."""

    folder: Folder
    files: tuple[FileStat, ...]
    why: Why

    @property
    def num_bytes(self) -> int:
        """What is freed."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Reads:
    """How a folder's small files are read; each may raise BadInputError."""

    manifest: Callable[[Folder], Manifest]
    uses: Callable[[Folder, str], Iterable[str]]
    """Of a folder and a path in it."""


def doomed(folders: Collection[Folder], limit: datetime, reads: Reads) -> tuple[Doomed, ...]:
    """Return what goes: results that depend on others first, so that no input goes before them.

    Args:
        folders: All that lies below the prefix.
        limit: What was written at this moment or later is young.
        reads: How manifests are read; only those of what is kept.

    Raises:
        BadInputError: A manifest of something that is kept is damaged: what it was made from cannot
            be known, so nothing may go.
    """
    kept = _kept({folder.fingerprint: folder for folder in folders}, limit, reads)
    found = [
        *(_whole(folder) for folder in folders if folder.fingerprint not in kept),
        *(_leftovers(folder, limit, reads) for folder in kept.values() if folder.is_sealed),
    ]
    order = {kind: -place for place, kind in enumerate(_GRAPH_ORDER)}
    found.sort(key=lambda d: (order[d.folder.kind], d.folder.fingerprint))
    return tuple(d for d in found if d.files)


def deletion_order(found: Iterable[Doomed]) -> Iterator[tuple[Folder, tuple[str, ...]]]:
    """Yield folder by folder what to delete: of all folders the manifests, then all the rest.

    Killed at any moment, it leaves no result that exists and lacks a file or an input.
    """
    rest = []
    for one in found:
        paths = [file.path for file in one.files]
        if MANIFEST_NAME in paths:
            yield one.folder, (MANIFEST_NAME,)
            paths.remove(MANIFEST_NAME)
        rest.append((one.folder, tuple(paths)))
    yield from rest


def _kept(folders: Mapping[str, Folder], limit: datetime, reads: Reads) -> dict[str, Folder]:
    """Return the folders that stay, by fingerprint."""
    waiting = [f for f in folders.values() if f.newest >= limit or KEEP in f.paths]
    kept: dict[str, Folder] = {}
    while waiting:
        folder = waiting.pop()
        if folder.fingerprint in kept:
            continue
        kept[folder.fingerprint] = folder
        reached = _reached(folder, limit, reads)
        waiting += [folders[name] for name in reached if name in folders]
    return kept


def _reached(folder: Folder, limit: datetime, reads: Reads) -> set[str]:
    """Return the fingerprints that a kept folder needs.

    A finished result has its inputs in its manifest; what runs long ago read besides is over. An
    unfinished one that is still written to may have started before the limit.
    """
    reached: set[str] = set()
    if folder.is_sealed:
        reached |= {ref.fingerprint for ref in reads.manifest(folder).inputs.values()}
    for file in folder.files:
        is_used = not folder.is_sealed or file.modified_at >= limit
        if file.path.startswith(USES) and is_used:
            reached |= set(reads.uses(folder, file.path))
    return reached


def _whole(folder: Folder) -> Doomed:
    files = sorted(folder.files, key=lambda f: (f.path != MANIFEST_NAME, f.path))
    return Doomed(folder, tuple(files), Why.NOT_REACHED if folder.is_sealed else Why.UNFINISHED)


def _leftovers(folder: Folder, limit: datetime, reads: Reads) -> Doomed:
    """Return the old files of a finished result that are no part of it."""
    manifest = reads.manifest(folder)
    own = {MANIFEST_NAME, KEEP}
    own |= {f.path for f in manifest.files} | {f.path for f in manifest.telemetry}
    old = (f for f in folder.files if f.path not in own and f.modified_at < limit)
    return Doomed(folder, tuple(old), Why.LEFTOVER)
