"""Records of data files: JSON Lines, plain or compressed, one file or a folder of them."""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.readers.zstd import ZstdFrames

SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_BLOCK_BYTES: Final = 1 << 18


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
        for number, line in enumerate(_lines(file), start=1):
            if line.strip():
                place = f"{file.name}:{number}"
                yield Record(place, _object(_text(line, place), place))


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file; what goes wrong while reading is one of our errors."""
    number = 0
    try:
        with file.open("rb") as raw:
            for line in _unpacked(raw, file):
                number += 1
                yield line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        msg = (
            f"{file}: cannot be unpacked after line {number}: the file is damaged or cut ({error})"
        )
        raise BadInputError(msg) from error
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror or error}"
        raise BadInputError(msg) from error


def _unpacked(raw: BinaryIO, file: Path) -> BinaryIO:
    """Return what the first bytes of a file, not its name, say that it is."""
    magic = raw.read(len(_ZSTD_MAGIC))
    raw.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), _BLOCK_BYTES)
    if magic == _ZSTD_MAGIC:
        return io.BufferedReader(ZstdFrames(raw), _BLOCK_BYTES)
    if file.name.endswith((".gz", ".zst")):
        msg = f"{file}: not a {file.suffix[1:]} file although its name says so"
        raise BadInputError(msg)
    return raw


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        msg = f"{place}: not UTF-8 text ({error.reason} at byte {error.start + 1} of the line)"
        raise BadInputError(msg) from error


def _object(line: str, place: str) -> dict[str, Any]:  # Any: JSON
    try:
        value = json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        hint = "; a JSON array over several lines is not JSON Lines" if line[:1] == "[" else ""
        msg = f"{place}: not JSON: {error.msg} at column {error.colno}{hint}"
        raise BadInputError(msg) from error
    except ValueError as error:  # an integer of more digits than Python reads
        msg = f"{place}: not JSON that can be read: {error}"
        raise BadInputError(msg) from error
    except RecursionError as error:
        msg = f"{place}: JSON nested too deeply"
        raise BadInputError(msg) from error
    if not isinstance(value, dict):
        msg = f"{place}: a record is a JSON object, not {type(value).__name__}"
        raise BadInputError(msg)
    return value
