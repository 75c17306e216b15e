"""How a stage seals its own result: content first, the manifest last and once."""

import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.errors import BadInputError, StoreUnavailableError
from steerlm_jobs.contract.manifest import (
    MANIFEST_NAME,
    AttemptInfo,
    ContentFile,
    Digest,
    Manifest,
    TelemetryFile,
    content_digest,
)
from steerlm_jobs.store.clock import monotonic_seconds, timestamp
from steerlm_jobs.store.files import Store, open_store
from steerlm_jobs.store.hashing import content_files, files_below
from steerlm_jobs.store.manifests import matching_seal, read_manifest

log = logging.getLogger(__name__)

CHECKPOINTS: Final = "checkpoints/"
_RECORDED_PACKAGES: Final = ("torch", "transformers", "peft", "tokenizers", "sentencepiece")


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


def existing_seal(config: StageConfig) -> Digest | None:
    """Return the digest of this stage's artifact; None: there is none yet.

    Raises:
        BadInputError: It was made from other inputs, or is damaged: said before the work.
    """
    uri = artifact_uri(config.execution.prefix, config.kind, config.fingerprint)
    digest = matching_seal(uri, config.input_refs)
    if digest is None and (manifest := read_manifest(uri)) is not None:
        _check_inputs(uri, manifest, config)
    return digest


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

    def commit(self, *, extra: Sequence[ContentFile] = (), notes: Sequence[str] = ()) -> Sealed:
        """Store the folders and write the manifest, once; then delete the stage's checkpoints.

        Args:
            extra: Content that is stored already, chunks say.
            notes: What the attempt warned of, for the page of an evaluation.

        Raises:
            BadInputError: Another attempt sealed it, from other inputs, or with a damaged manifest.
        """
        first = read_manifest(self.uri)
        if first is None:
            manifest = self._store_content(extra, notes)
            text = manifest.model_dump_json(by_alias=True, indent=1)
            is_first = self._store.write_once(MANIFEST_NAME, text.encode())
            first = manifest if is_first else self._winner()
        else:  # nothing is uploaded: the sealed content may be this very attempt's
            is_first = False
        if not is_first:
            _check_inputs(self.uri, first, self._config)
            log.info("artifact %s was sealed by %s already", self.uri, first.attempt.writer)
        self._store.delete(manifests_first(self._store, CHECKPOINTS))
        return Sealed(first.digest, is_first)

    def _store_content(self, extra: Sequence[ContentFile], notes: Sequence[str]) -> Manifest:
        """Store both folders; return the manifest that would make them exist."""
        content = content_files(self.content, f"{self._folder}/content")
        telemetry = self._telemetry_files()
        for path in (*(f.path for f in content), *(f.path for f in telemetry)):
            self._store.put_file(self._local(path), path)
        return self._manifest((*content, *extra), telemetry, notes)

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
        self,
        files: tuple[ContentFile, ...],
        telemetry: tuple[TelemetryFile, ...],
        notes: Sequence[str],
    ) -> Manifest:
        attempt = AttemptInfo(
            writer=writer_name(self._config),
            started_at=self._started_at,
            finished_at=timestamp(),
            seconds=round(monotonic_seconds() - self._started, 3),
            versions=_versions(),
            notes=tuple(notes),
        )
        return Manifest(
            kind=self._config.kind,
            fingerprint=self._fingerprint,
            digest=content_digest(files),
            inputs=self._config.input_refs,
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


def _check_inputs(uri: str, sealed: Manifest, config: StageConfig) -> None:
    """Refuse a seal made from other inputs: its digest is not the result of this stage."""
    if sealed.inputs != config.input_refs:
        msg = (
            f"{uri}: sealed already, from other results of the stages before it; "
            "delete that folder and run again"
        )
        raise BadInputError(msg)


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
