"""Artifacts: how a stage reads the results of others, and seals its own."""

import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.contract.config import StageConfig, StageInput, artifact_uri
from steerlm_jobs.contract.errors import BadInputError, StoreUnavailableError
from steerlm_jobs.contract.manifest import (
    MANIFEST_NAME,
    AttemptInfo,
    ContentFile,
    Digest,
    InputRef,
    Manifest,
    TelemetryFile,
    content_digest,
)
from steerlm_jobs.store.clock import monotonic_seconds, timestamp
from steerlm_jobs.store.files import Store, open_store
from steerlm_jobs.store.hashing import content_files, file_digest, files_below
from steerlm_jobs.store.jsonl import SUFFIXES, read_jsonl
from steerlm_jobs.store.manifests import matching_seal, read_manifest

__all__ = [
    "ArtifactReader",
    "ArtifactWriter",
    "Sealed",
    "existing_seal",
    "matching_seal",
    "read_manifest",
    "writer_name",
]

log = logging.getLogger(__name__)

CHECKPOINTS: Final = "checkpoints/"
_RECORDED_PACKAGES: Final = ("torch", "transformers", "peft", "tokenizers", "sentencepiece")

_VERIFIED: set[tuple[str, int, int, Digest]] = set()
"""(path, size, modified) of local files whose SHA-256 this process has seen to be right."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An artifact that exists."""

    digest: Digest
    is_first: bool
    """False: another attempt had sealed it already, and its digest is the one given here."""


def writer_name(config: StageConfig) -> str:
    """Return the folder name of this process: shards of one attempt do not share one."""
    execution = config.execution
    if execution.num_shards == 1:
        return execution.writer
    return f"{execution.writer}-{execution.shard}"


def existing_seal(config: StageConfig, fingerprint: str | None = None) -> Digest | None:
    """Return the digest of this stage's artifact if it exists and was made from these inputs."""
    uri = artifact_uri(config.execution.prefix, config.kind, fingerprint or config.fingerprint)
    return matching_seal(uri, _input_refs(config))


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


class ArtifactWriter:
    """Where an attempt puts its result until it is sealed.

    Fill the folders `content` (the result: no times, hosts or paths in it) and `telemetry`, then
    `commit`. In a local store they lie in place already.
    """

    def __init__(
        self, config: StageConfig, scratch: Path, *, fingerprint: str | None = None
    ) -> None:
        self._config = config
        self._fingerprint = fingerprint or config.fingerprint
        self.uri = artifact_uri(config.execution.prefix, config.kind, self._fingerprint)
        self._store: Store = open_store(self.uri)
        self._folder = f"attempts/{writer_name(config)}"
        self._started_at, self._started = timestamp(), monotonic_seconds()
        top = self._working_folder(scratch)
        self.content, self.telemetry = top / "content", top / "telemetry"
        for folder in (self.content, self.telemetry):
            folder.mkdir(parents=True)

    def commit(self, *, extra: Sequence[ContentFile] = ()) -> Sealed:
        """Store the folders and write the manifest, once; then delete the stage's checkpoints.

        Args:
            extra: Content that is stored already, chunks say.

        Raises:
            BadInputError: Another attempt sealed it, but its manifest is damaged.
        """
        first = read_manifest(self.uri)
        if first is None:
            manifest = self._store_content(extra)
            text = manifest.model_dump_json(by_alias=True, indent=1)
            is_first = self._store.write_once(MANIFEST_NAME, text.encode())
            first = manifest if is_first else self._winner()
        else:  # nothing is uploaded: the sealed content may be this very attempt's
            is_first = False
        if not is_first:
            log.info("artifact %s was sealed by %s already", self.uri, first.attempt.writer)
        self._store.delete(manifests_first(self._store, CHECKPOINTS))
        return Sealed(first.digest, is_first)

    def _store_content(self, extra: Sequence[ContentFile]) -> Manifest:
        """Store both folders; return the manifest that would make them exist."""
        content = content_files(self.content, f"{self._folder}/content")
        telemetry = self._telemetry_files()
        for path in (*(f.path for f in content), *(f.path for f in telemetry)):
            self._store.put_file(self._local(path), path)
        return self._manifest((*content, *extra), telemetry)

    def _working_folder(self, scratch: Path) -> Path:
        """Return an empty folder, in place if the store is local and nothing is sealed there."""
        local = self._store.local_path(self._folder)
        if local is None or self._store.local_path(MANIFEST_NAME).exists():  # type: ignore[union-attr]  # None for all or none
            local = scratch / self._folder
        shutil.rmtree(local, ignore_errors=True)
        return local

    def _local(self, path: str) -> Path:
        return self.content.parent / path.removeprefix(f"{self._folder}/")

    def _telemetry_files(self) -> tuple[TelemetryFile, ...]:
        return tuple(
            TelemetryFile(
                name=name, path=f"{self._folder}/telemetry/{name}", size=path.stat().st_size
            )
            for name, path in files_below(self.telemetry)
        )

    def _manifest(
        self, files: tuple[ContentFile, ...], telemetry: tuple[TelemetryFile, ...]
    ) -> Manifest:
        attempt = AttemptInfo(
            writer=writer_name(self._config),
            started_at=self._started_at,
            finished_at=timestamp(),
            seconds=round(monotonic_seconds() - self._started, 3),
            versions=_versions(),
        )
        return Manifest(
            kind=self._config.kind,
            fingerprint=self._fingerprint,
            digest=content_digest(files),
            inputs=_input_refs(self._config),
            files=tuple(sorted(files, key=lambda f: f.name)),
            telemetry=telemetry,
            attempt=attempt,
        )

    def _winner(self) -> Manifest:
        winner = read_manifest(self.uri)
        if winner is None:
            msg = f"{self.uri}: the manifest exists but cannot be read yet; run again"
            raise StoreUnavailableError(msg)
        return winner


def manifests_first(store: Store, prefix: str) -> list[str]:
    """Return what lies below `prefix` in the order of deletion: what exists goes first."""
    paths = [stat.path for stat in store.list(prefix)]
    return sorted(paths, key=lambda path: (not path.endswith(f"/{MANIFEST_NAME}"), path))


def _input_refs(config: StageConfig) -> dict[str, InputRef]:
    return {i.stage: InputRef(fingerprint=i.fingerprint, digest=i.digest) for i in config.inputs}


def _versions() -> dict[str, str]:
    """Return the versions of python and of the packages that this process has loaded."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _RECORDED_PACKAGES:
        if name in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found
