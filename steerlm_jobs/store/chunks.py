"""Chunks: the rows of a sharded stage, in ranges that do not depend on the number of shards.

Each chunk is written once, by whoever is first; so a killed stage continues where it was.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.manifest import ContentFile
from steerlm_jobs.store.files import open_store
from steerlm_jobs.store.hashing import stored_digest
from steerlm_jobs.store.jsonl import compressed_rows, decode_rows

FOLDER: Final = "chunks/"
_NAME: Final = re.compile(r"(\d{9})\.jsonl\.zst")


def chunk_name(first_row: int) -> str:
    """Return the name, within an artifact, of the chunk that begins with this row."""
    return f"{FOLDER}{first_row:09d}.jsonl.zst"


def chunk_ranges(num_rows: int, chunk_rows: int) -> tuple[range, ...]:
    """Return all row ranges, in order; the last one may be shorter."""
    return tuple(
        range(first, min(first + chunk_rows, num_rows)) for first in range(0, num_rows, chunk_rows)
    )


class ChunkStore:
    """The chunks of this stage's artifact, as far as they were made from these inputs."""

    def __init__(self, config: StageConfig, part: str = "") -> None:
        """Find the chunks.

        Args:
            config: Names the artifact, its inputs and the shard.
            part: What the chunks hold, where a stage makes several tables of the same rows.
        """
        uri = artifact_uri(config.execution.prefix, config.kind, config.fingerprint)
        self._store = open_store(uri)
        self._folder = f"{FOLDER}{config.inputs_key}/" + (f"{part}/" if part else "")
        self._shard, self._num_shards = config.execution.shard, config.execution.num_shards

    def missing(self, num_rows: int, chunk_rows: int) -> tuple[range, ...]:
        """Return this shard's ranges that nobody has written yet."""
        done = self._first_rows()
        ranges = chunk_ranges(num_rows, chunk_rows)[self._shard :: self._num_shards]
        return tuple(rows for rows in ranges if rows.start not in done)

    def write(self, rows: range, records: Iterable[Mapping[str, Any]]) -> None:
        """Write one chunk; if another process was faster, its chunk stands."""
        self._store.write_once(self._path(rows.start), compressed_rows(records))

    def is_complete(self, num_rows: int, chunk_rows: int) -> bool:
        """Return True if every chunk, of all shards, is there."""
        return {r.start for r in chunk_ranges(num_rows, chunk_rows)} <= self._first_rows()

    def content_files(self) -> tuple[ContentFile, ...]:
        """Return the manifest entries of all chunks."""
        return tuple(self._entry(first) for first in sorted(self._first_rows()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows that are there, in order."""
        for first in sorted(self._first_rows()):
            data = self._store.read(self._path(first))
            yield from decode_rows(io.BytesIO(data), chunk_name(first))

    def _first_rows(self) -> set[int]:
        stats = self._store.list(self._folder)
        matches = (_NAME.fullmatch(stat.path.removeprefix(self._folder)) for stat in stats)
        return {int(match[1]) for match in matches if match is not None}

    def _path(self, first_row: int) -> str:
        return chunk_name(first_row).replace(FOLDER, self._folder)

    def _entry(self, first_row: int) -> ContentFile:
        path = self._path(first_row)
        size, sha256 = stored_digest(self._store, path)
        return ContentFile(name=chunk_name(first_row), path=path, size=size, sha256=sha256)
