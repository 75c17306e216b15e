"""Records of data files: JSON Lines, plain or compressed, one file or a folder of them."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zstandard

from steerlm_jobs.contract.errors import BadInputError

SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of a file."""

    place: str
    """`FILE:LINE`."""
    value: dict[str, Any]  # Any: JSON


def data_files(path: Path) -> tuple[Path, ...]:
    """Return the file, or the data files of a folder in name order.

    Raises:
        BadInputError: There is nothing there, or the folder holds no data file.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        msg = f"{path}: no such file or folder; check the uri of the data source"
        raise BadInputError(msg)
    found = tuple(
        sorted(
            file
            for file in path.rglob("*")
            if file.is_file() and file.name.endswith(SUFFIXES) and not file.name.startswith(".")
        )
    )
    if not found:
        msg = f"{path}: the folder holds no data file ({', '.join(SUFFIXES)})"
        raise BadInputError(msg)
    return found


def records(path: Path) -> Iterator[Record]:
    """Yield the JSON objects of a file or folder, a line each; empty lines are passed over.

    Raises:
        BadInputError: A file is missing, cannot be unpacked, or a line is not a JSON object.
    """
    for file in data_files(path):
        with _text_lines(file) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield Record(f"{file.name}:{number}", _object(line, f"{file.name}:{number}"))


@contextmanager
def _text_lines(file: Path) -> Iterator[Iterator[str]]:
    """Open a file by what its first bytes say it is, and turn read errors into one line."""
    try:
        with file.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            yield _decoded(raw, magic, file)
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror or error}"
        raise BadInputError(msg) from error


def _decoded(raw: io.BufferedReader, magic: bytes, file: Path) -> Iterator[str]:
    unpacked: Any = raw  # Any: zstandard's reader is a RawIOBase in all but name
    if magic.startswith(_GZIP_MAGIC):
        unpacked = gzip.GzipFile(fileobj=raw)
    elif magic == _ZSTD_MAGIC:
        unpacked = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    elif file.name.endswith((".gz", ".zst")):
        msg = f"{file}: not a {file.suffix[1:]} file although its name says so"
        raise BadInputError(msg)
    number = 0
    try:
        # newline="\n": a bare carriage return inside a text is no line end
        for line in io.TextIOWrapper(unpacked, encoding="utf-8", newline="\n"):
            number += 1
            yield line
    except UnicodeDecodeError as error:
        msg = f"{file.name}:{number + 1}: not UTF-8 text ({error.reason})"
        raise BadInputError(msg) from error
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        msg = (
            f"{file}: cannot be unpacked after line {number}: the file is damaged or cut ({error})"
        )
        raise BadInputError(msg) from error


def _object(line: str, place: str) -> dict[str, Any]:  # Any: JSON
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        hint = "; a JSON array over several lines is not JSON Lines" if line[:1] == "[" else ""
        msg = f"{place}: not JSON: {error.msg} at column {error.colno}{hint}"
        raise BadInputError(msg) from error
    except RecursionError as error:
        msg = f"{place}: JSON nested too deeply"
        raise BadInputError(msg) from error
    if not isinstance(value, dict):
        msg = f"{place}: a record is a JSON object, not {type(value).__name__}"
        raise BadInputError(msg)
    return value
