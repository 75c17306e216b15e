"""How a stage reads the results of others: what is handed out has been verified."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.manifest import ContentFile, Digest, Manifest
from steerlm_jobs.store.files import open_store
from steerlm_jobs.store.hashing import file_digest, files_below
from steerlm_jobs.store.jsonl import SUFFIXES, read_jsonl
from steerlm_jobs.store.manifests import read_manifest

_VERIFIED: set[tuple[str, int, int, Digest]] = set()
"""(path, size, modified) of local files whose SHA-256 this process has seen to be right."""


class ArtifactReader:
    """A result of another stage. What it hands out has been verified."""

    def __init__(self, uri: str, manifest: Manifest, scratch: Path) -> None:
        self.manifest = manifest
        self._store = open_store(uri)
        self._copies = scratch / "inputs" / manifest.digest
        self._links = scratch / "links" / manifest.digest
        self._files = {file.name: file for file in manifest.files}

    @classmethod
    def open(cls, source: StageInput, scratch: Path) -> "ArtifactReader":
        """Open the result that the config names.

        Raises:
            BadInputError: It does not exist, is damaged, or is another one than named.
        """
        manifest = read_manifest(source.uri)
        if manifest is None:
            msg = f"{source.uri}: no artifact of stage {source.stage}; run that stage first"
            raise BadInputError(msg)
        if manifest.digest != source.digest:
            msg = (
                f"{source.uri}: digest {manifest.digest} of stage {source.stage} is not "
                f"{source.digest} as the config says; run the whole run again"
            )
            raise BadInputError(msg)
        return cls(source.uri, manifest, scratch)

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return the names of the content that start with `prefix`, sorted."""
        return tuple(sorted(name for name in self._files if name.startswith(prefix)))

    def file(self, name: str) -> Path:
        """Return a verified local file: in place where it is local, else a copy.

        Raises:
            BadInputError: The content has no such name, or it is not what the manifest says.
        """
        entry = self._files.get(name)
        if entry is None:
            msg = f"{self._store.uri}: no file {name!r} in this artifact"
            raise BadInputError(msg)
        local = self._store.local_path(entry.path) or self._fetched(entry)
        self._verify(local, entry)
        return local

    def folder(self, prefix: str = "") -> Path:
        """Return a local folder that holds exactly the content below `prefix`, verified."""
        start = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        files = {name.removeprefix(start): self.file(name) for name in self.names(start)}
        if not files:
            msg = f"{self._store.uri}: nothing below {prefix!r} in this artifact"
            raise BadInputError(msg)
        return _common_folder(files) or self._linked(start, files)

    def rows(self, prefix: str = "") -> Iterator[dict[str, Any]]:
        """Yield the rows of all JSON Lines files whose name starts with `prefix`, in name order."""
        for name in self.names(prefix):
            if name.endswith(SUFFIXES):
                yield from read_jsonl(self.file(name))

    def _fetched(self, entry: ContentFile) -> Path:
        local = self._copies / entry.name
        if not local.exists() or local.stat().st_size != entry.size:
            try:
                self._store.get_file(entry.path, local)
            except FileNotFoundError as error:
                raise BadInputError(self._damaged(entry, "is missing")) from error
        return local

    def _linked(self, prefix: str, files: dict[str, Path]) -> Path:
        top = self._links / prefix
        for name, file in files.items():
            link = top / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(file.absolute())
        return top

    def _verify(self, local: Path, entry: ContentFile) -> None:
        try:
            stat = local.stat()
        except FileNotFoundError as error:
            raise BadInputError(self._damaged(entry, "is missing")) from error
        key = (str(local), stat.st_size, stat.st_mtime_ns, entry.sha256)
        if key in _VERIFIED:
            return
        if stat.st_size != entry.size:
            state = f"has {stat.st_size} bytes, not {entry.size}"
            raise BadInputError(self._damaged(entry, state))
        if file_digest(local)[1] != entry.sha256:
            raise BadInputError(self._damaged(entry, "was overwritten: its SHA-256 differs"))
        _VERIFIED.add(key)

    def _damaged(self, entry: ContentFile, state: str) -> str:
        where = f"{self._store.uri}/{entry.path}"
        return f"{where}: damaged artifact: {state}; delete the artifact's folder and run again"


def _common_folder(files: dict[str, Path]) -> Path | None:
    """Return the folder that holds exactly these files under these names; None if none does."""
    name, path = next(iter(files.items()))
    folder = path.parents[len(Path(name).parts) - 1]
    if dict(files_below(folder)) == {n: folder / n for n in files} and all(
        folder / n == p for n, p in files.items()
    ):
        return folder
    return None
