"""JSON and JSON Lines, plain or zstd, byte for byte the same for the same values."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard

from steerlm_jobs.contract.errors import BadInputError

SUFFIXES: Final = (".jsonl", ".jsonl.zst")
_LEVEL: Final = 3
"""zstd's own default; one thread, so that the bytes do not depend on the machine."""


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Return one line: sorted keys, no spaces, UTF-8."""
    text = json.dumps(
        row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode() + b"\n"


def compressed_rows(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as one zstd frame."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(map(encode_row, rows)))


class JsonlWriter:
    """Writes rows to a zstd file as they come."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._packed = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(
            self._file, closefd=False
        )

    def __enter__(self) -> "JsonlWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._packed.close()  # type: ignore[no-untyped-call]  # zstandard has no types
        self._file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row."""
        self._packed.write(encode_row(row))


def write_json(path: Path, value: object) -> None:
    """Write JSON for people and programs, the same bytes for the same value."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to a file, compressed if its name ends in `.zst`; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if path.suffix != ".zst":
            return _write_rows(file, rows)
        with zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False) as packed:
            return _write_rows(packed, rows)


def _write_rows(file: Any, rows: Iterable[Mapping[str, Any]]) -> int:  # Any: file or zstd writer
    num_rows = 0
    for row in rows:
        file.write(encode_row(row))
        num_rows += 1
    return num_rows


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that this package wrote.

    Raises:
        BadInputError: A line is not a JSON object, or the compression is damaged.
    """
    with path.open("rb") as file:
        yield from decode_rows(file, str(path))


def decode_rows(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of an open file whose name tells whether it is compressed."""
    try:
        for number, line in enumerate(_lines(file, name), start=1):
            yield _row(line, f"{name}:{number}")
    except zstandard.ZstdError as error:
        msg = f"{name}: damaged zstd data ({error}); delete the artifact and run again"
        raise BadInputError(msg) from error


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    if not name.endswith(".zst"):
        return iter(file)
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return iter(io.BufferedReader(reader, 1 << 20))


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        msg = f"{where}: not JSON ({error}); delete the artifact and run again"
        raise BadInputError(msg) from error
    if not isinstance(row, dict):
        msg = f"{where}: not a JSON object; delete the artifact and run again"
        raise BadInputError(msg)
    return row
