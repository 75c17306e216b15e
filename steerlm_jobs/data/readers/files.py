"""Records of data files: JSON Lines, a JSON array or Parquet, packed or not, one or a folder."""

import codecs
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.readers.fields import kind_of
from steerlm_jobs.data.readers.json_array import array_items
from steerlm_jobs.data.readers.parquet import SUFFIX, is_parquet, parquet_rows
from steerlm_jobs.data.readers.zstd import ZstdFrames

SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst", SUFFIX)
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_BLOCK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of a file."""

    place: str
    """`PATH:LINE`, `PATH:item N` of an array, `PATH:row N` of Parquet."""
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
        others = sorted(file.name for file in path.rglob("*") if file.is_file())
        seen = f"; it holds {', '.join(others[:3])}{', ...' * (len(others) > 3)}" if others else ""
        csv = next((f"; {_for_csv(f'{path}/{name}')}" for name in others if _is_csv(name)), "")
        msg = f"{path}: the folder holds no data file ({', '.join(SUFFIXES)}){seen}{csv}"
        raise BadInputError(msg)
    return found


def records(path: Path, address: str = "") -> Iterator[Record]:
    """Yield the objects of a file or folder: a line each, the items of an array, or rows.

    Empty lines are passed over.

    Args:
        path: The local file or folder.
        address: What it is a copy of, for messages; empty: it is where people think it is.

    Raises:
        BadInputError: A file is missing, cannot be unpacked, or holds something else.
    """
    for file in data_files(path):
        name = _shown(file, path, address)
        if is_parquet(file):
            rows = enumerate(parquet_rows(file), start=1)
            yield from (Record(f"{name}:row {number}", row) for number, row in rows)
        elif _is_csv(file.name):
            msg = f"{name}: CSV is not read; {_for_csv(name)}"
            raise BadInputError(msg)
        else:
            yield from _items(file, name) if _is_array(file) else _line_records(file, name)


def _shown(file: Path, path: Path, address: str) -> str:
    """Return what people call a file: where they have put it, not where a copy of it lies."""
    if not address:
        return str(file)
    return address if file == path else f"{address.rstrip('/')}/{file.relative_to(path).as_posix()}"


def _is_csv(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def _for_csv(name: str) -> str:
    """Return what to do with a table of text: a line that can be run, a message long at most."""
    tab = ", delimiter='\\t'" if ".tsv" in name.lower() else ""
    table = f"c.read_csv(f, parse_options=c.ParseOptions(newlines_in_values=True{tab}))"
    code = f"from pyarrow import csv as c, parquet as p; f = {name!r}; p.write_table({table}, f"
    return f"make Parquet of it: {sys.executable} -c \"{code} + '{SUFFIX}')\""


def _line_records(file: Path, name: str) -> Iterator[Record]:
    for number, line in enumerate(_pieces(file, "line", lambda stream: stream), start=1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            place = f"{name}:{number}"
            yield Record(place, _object(_text(text, place), place))


def _items(file: Path, name: str) -> Iterator[Record]:
    decode = codecs.getincrementaldecoder("utf-8-sig")("strict").decode
    number = 0
    try:
        for value in array_items(decode(block) for block in _pieces(file, "block", _blocks)):
            number += 1
            place = f"{name}:item {number}"
            yield Record(place, _as_object(value, place))
    except (ValueError, RecursionError) as error:  # an ArrayError, not UTF-8, or too deep
        msg = f"{name}: {error}; the file is damaged, or cut"
        raise BadInputError(msg) from error


def _is_array(file: Path) -> bool:
    first = next(_pieces(file, "line", lambda stream: iter([stream.read(1 << 10)])), b"")
    return first.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_BLOCK_BYTES), b"")


def _pieces(file: Path, piece: str, cut: Callable[[BinaryIO], Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the pieces of a file; what goes wrong while reading is one of our errors."""
    number = 0
    try:
        with file.open("rb") as raw:
            for data in cut(_unpacked(raw, file)):
                number += 1
                yield data
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        where = f"{file}: cannot be unpacked after {piece} {number}"
        msg = f"{where}: the file is damaged or cut ({error})"
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
        msg = f"{place}: not JSON: {error.msg} at column {error.colno}{_like(line)}"
        raise BadInputError(msg) from error
    except ValueError as error:  # an integer of more digits than Python reads
        msg = f"{place}: not JSON that can be read: {error}"
        raise BadInputError(msg) from error
    except RecursionError as error:
        msg = f"{place}: JSON nested too deeply"
        raise BadInputError(msg) from error
    return _as_object(value, place)


def _like(line: str) -> str:
    """Return what a line that does not begin as a JSON object may be instead; empty if it does."""
    begin = line.lstrip()[:1]
    return "" if begin == "{" else "; a line is one JSON object, {...}: is this CSV or plain text?"


def _as_object(value: object, place: str) -> dict[str, Any]:  # Any: JSON
    if not isinstance(value, dict):
        msg = f"{place}: a record is a JSON object, not {kind_of(value)}"
        raise BadInputError(msg)
    return value
