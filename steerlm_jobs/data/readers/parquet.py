"""Rows of Parquet files, a batch at a time: the form in which the hubs publish data sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.contract.errors import BadConfigError, BadInputError

SUFFIX: Final = ".parquet"
_MAGIC: Final = b"PAR1"
_BATCH_ROWS: Final = 256
_BUFFER_BYTES: Final = 1 << 20
"""Columns are read in pieces of this size; without it a whole row group stands in memory."""


def is_parquet(file: Path) -> bool:
    """Return what the first bytes of a file, not its name, say.

    Raises:
        BadInputError: It cannot be read, or is no Parquet although its name says so.
    """
    try:
        with file.open("rb") as stream:
            is_one = stream.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror or error}"
        raise BadInputError(msg) from error
    if not is_one and file.name.endswith(SUFFIX):
        msg = f"{file}: not a Parquet file although its name says so; rename it or fetch it again"
        raise BadInputError(msg)
    return is_one


def parquet_rows(file: Path) -> Iterator[dict[str, Any]]:  # Any: whatever the columns hold
    """Yield the rows as dictionaries, null as None.

    Raises:
        BadInputError: The file is damaged or cut.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        msg = f"{file}: Parquet needs pyarrow; install it with pip install 'steerlm[jobs]'"
        raise BadConfigError(msg) from error
    number = 0
    try:
        with ParquetFile(file, buffer_size=_BUFFER_BYTES) as opened:
            for batch in opened.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield row
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        msg = f"{file}: cannot be read after row {number}: the file is damaged or cut ({reason})"
        raise BadInputError(msg) from error
