"""Checkpoints of an unfinished stage: `checkpoints/<inputs>/<writer>/step-N/` with a manifest.

The next attempt takes the highest complete step of any writer. Nobody else reads them.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.manifest import MANIFEST_NAME, AttemptInfo, Manifest, content_digest
from steerlm_jobs.store.clock import timestamp
from steerlm_jobs.store.files import open_store
from steerlm_jobs.store.hashing import content_files, file_digest
from steerlm_jobs.store.manifests import read_manifest_at
from steerlm_jobs.store.sealing import CHECKPOINTS, manifests_first, writer_name

log = logging.getLogger(__name__)

_MANIFEST: Final = re.compile(rf"([^/]+)/step-(\d+)/{re.escape(MANIFEST_NAME)}")


@dataclass(frozen=True, slots=True, order=True)
class _Complete:
    step: int
    writer: str


class CheckpointStore:
    """The checkpoints of one stage's result, of all its attempts."""

    def __init__(self, config: StageConfig, scratch: Path) -> None:
        self._kind, self._fingerprint = config.kind, config.fingerprint
        uri = artifact_uri(config.execution.prefix, config.kind, config.fingerprint)
        self._store = open_store(uri)
        self._writer = writer_name(config)
        self._folder = f"{CHECKPOINTS}{config.inputs_key}/"
        self._copies = scratch / "checkpoints"

    def save(self, step: int, folder: Path) -> None:
        """Store a local folder as the checkpoint of a step; it exists once this returns."""
        place = self._place(_Complete(step, self._writer))
        self._store.delete([f"{place}/{MANIFEST_NAME}"])
        files = content_files(folder, place)
        for file in files:
            self._store.put_file(folder / file.name, file.path)
        manifest = Manifest(
            kind=self._kind,
            fingerprint=self._fingerprint,
            digest=content_digest(files),
            files=files,
            attempt=AttemptInfo(writer=self._writer, finished_at=timestamp()),
        )
        self._store.write(
            f"{place}/{MANIFEST_NAME}", manifest.model_dump_json(by_alias=True).encode()
        )

    def newest(self) -> tuple[int, Path] | None:
        """Return (step, verified local folder) of the highest complete step; None: there is none.

        A damaged one is passed over with a warning: an older one costs time, not the result.
        """
        for found in self._complete():
            try:
                return found.step, self._verified(found)
            except (BadInputError, FileNotFoundError) as error:
                log.warning("checkpoint passed over: %s", error)
        return None

    def prune(self, keep: int = 2) -> None:
        """Delete all complete checkpoints but the `keep` highest steps, manifests first."""
        for old in self._complete()[keep:]:
            self._store.delete(manifests_first(self._store, f"{self._place(old)}/"))

    def delete_all(self) -> None:
        """Delete the checkpoints of all attempts, whatever their inputs."""
        self._store.delete(manifests_first(self._store, CHECKPOINTS))

    def _complete(self) -> list[_Complete]:
        """Return what has a manifest, highest step first, own checkpoints before others'."""
        stats = self._store.list(self._folder)
        matches = (_MANIFEST.fullmatch(stat.path.removeprefix(self._folder)) for stat in stats)
        found = [_Complete(int(m[2]), m[1]) for m in matches if m is not None]
        return sorted(found, key=lambda c: (-c.step, c.writer != self._writer, c.writer))

    def _place(self, found: _Complete) -> str:
        return f"{self._folder}{found.writer}/step-{found.step}"

    def _verified(self, found: _Complete) -> Path:
        place = self._place(found)
        manifest = read_manifest_at(self._store, f"{place}/{MANIFEST_NAME}")
        if manifest is None:
            raise FileNotFoundError(place)
        if (manifest.kind, manifest.fingerprint) != (self._kind, self._fingerprint):
            msg = f"{self._store.uri}/{place}: the manifest of another stage's checkpoint"
            raise BadInputError(msg)
        local = self._store.local_path(place) or self._copies / found.writer / str(found.step)
        for file in manifest.files:
            path = local / file.name
            if self._store.local_path(file.path) is None:
                self._store.get_file(file.path, path)
            if file_digest(path) != (file.size, file.sha256):
                msg = f"{self._store.uri}/{file.path}: damaged checkpoint"
                raise BadInputError(msg)
        return local
