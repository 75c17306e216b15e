"""`steerlm gc` on a store: lists what lies below a prefix, and deletes what garbage.py names."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Manifest
from steerlm_jobs.store.files import FileStat, Store, is_local, local_folder, open_store
from steerlm_jobs.store.garbage import Doomed, Folder, Reads, deletion_order, doomed
from steerlm_jobs.store.manifests import read_manifest
from steerlm_jobs.store.uses import read_uses

_FINGERPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_AGE: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """Return the duration that `30d` stands for; also `w`, `h`, `m`.

    Raises:
        BadConfigError: It is none.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no age; write a number and one of w, d, h, m: 30d"
        raise BadConfigError(msg)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def folders_below(prefix: str) -> tuple[Folder, ...]:
    """Return the folders of all results below a prefix; other files there are not looked at.

    Raises:
        BadConfigError: There is no such place.
    """
    if is_local(prefix) and not local_folder(prefix).is_dir():
        msg = f"{prefix}: no such folder; give the prefix of runs, the --workdir of `steerlm run`"
        raise BadConfigError(msg)
    store = open_store(prefix)
    return tuple(folder for kind in StageKind for folder in _folders(store, kind))


def find_garbage(prefix: str, older_than: timedelta, now: datetime) -> tuple[Doomed, ...]:
    """Return what nobody needs that was written before `now - older_than`.

    Raises:
        BadConfigError: There is no such place.
        BadInputError: A manifest of something that is kept is damaged.
    """
    return doomed(folders_below(prefix), now - older_than, _reads(prefix))


def delete_garbage(prefix: str, found: Iterable[Doomed]) -> None:
    """Delete it, all manifests first."""
    store = open_store(prefix)  # not each folder's own: so folders that are empty then go, too
    for folder, paths in deletion_order(found):
        place = f"{folder.kind.value}/{folder.fingerprint}"
        store.delete(f"{place}/{path}" for path in paths)


def _folders(store: Store, kind: StageKind) -> Iterable[Folder]:
    files: dict[str, list[FileStat]] = defaultdict(list)
    for stat in store.list(f"{kind.value}/"):
        _, fingerprint, *path = stat.path.split("/")
        if path and _FINGERPRINT.fullmatch(fingerprint):
            inner = FileStat("/".join(path), stat.size, stat.tag, stat.modified_at)
            files[fingerprint].append(inner)
    return (Folder(kind, name, tuple(of_name)) for name, of_name in files.items())


def _uri(prefix: str, folder: Folder) -> str:
    return f"{prefix.rstrip('/')}/{folder.kind.value}/{folder.fingerprint}"


def _reads(prefix: str) -> Reads:
    @cache
    def manifest(folder: Folder) -> Manifest:
        uri = _uri(prefix, folder)
        found = read_manifest(uri)
        if found is None:
            msg = f"{uri}: vanished while it was looked at; run again"
            raise BadInputError(msg)
        return found

    def uses(folder: Folder, path: str) -> tuple[str, ...]:
        return read_uses(open_store(_uri(prefix, folder)), path)

    return Reads(manifest, uses)
