"""A store in an S3 bucket, through s3fs. Works with any server that honours If-None-Match.

Address from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, as botocore reads them; credentials from the
environment, mounted files or workload identity only: never an argument, never part of a message.
Listings are never cached. Uploads carry the checksum that botocore adds by default, so the server
refuses damaged ones.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import s3fs
from botocore.exceptions import (  # type: ignore[import-untyped]  # ships no types
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from steerlm_jobs.contract.errors import BadConfigError, StoreUnavailableError
from steerlm_jobs.store.failures import local_failures
from steerlm_jobs.store.files import FileStat

_REFUSED: Final = frozenset({"PreconditionFailed", "412"})
_CONFLICT: Final = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName"})
_DELETE_AT_ONCE: Final = 1000
"""The limit of DeleteObjects."""
_BLOCK_BYTES: Final = 16 * 2**20
_ATTEMPTS: Final = 5


@cache
def _connection(_process_id: int, _endpoint: str) -> Any:  # Any: s3fs has no types
    """Return the connection of this process: s3fs refuses to work across a fork."""
    return s3fs.S3FileSystem(
        use_listings_cache=False,
        skip_instance_cache=True,
        default_block_size=_BLOCK_BYTES,
        config_kwargs={"retries": {"max_attempts": _ATTEMPTS, "mode": "standard"}},
    )


def _endpoint() -> str:
    """Return the server's address. The first names S3 alone; the second moves STS there, too."""
    found = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return found or ""


class S3Store:
    """Objects below one prefix of a bucket."""

    def __init__(self, uri: str) -> None:
        self._root = uri.removeprefix("s3://").strip("/")
        self.uri = f"s3://{self._root}"
        self.bucket = self._root.partition("/")[0]
        if not self.bucket:
            msg = f"{uri}: no bucket; write s3://BUCKET/PREFIX"
            raise BadConfigError(msg)

    @property
    def _s3(self) -> Any:  # Any: s3fs has no types
        return _connection(os.getpid(), _endpoint())

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        with self._failures(path):
            return bytes(self._s3.cat_file(self._at(path)))

    def open(self, path: str) -> BinaryIO:
        """Open for reading, in blocks of 16 MiB."""
        with self._failures(path):
            stream: BinaryIO = self._s3.open(self._at(path), "rb")
            return stream

    def write(self, path: str, data: bytes) -> None:
        """Write, over what may be there."""
        with self._failures(path):
            self._s3.pipe_file(self._at(path), data)

    def write_once(self, path: str, data: bytes) -> bool:
        """Write if nothing is there (If-None-Match: *).

        A put whose answer was lost and that is tried again reports False; so callers compare.
        """
        with self._failures(path):
            for _ in range(_ATTEMPTS):
                code = self._put_if_absent(path, data)
                if not code:
                    return True
                if code in _REFUSED:
                    return False
        msg = f"{self.uri}/{path}: another writer is at it (409 {_ATTEMPTS} times); run again"
        raise StoreUnavailableError(msg)

    def put_file(self, local: Path, path: str) -> None:
        """Upload a local file, in parts where it is large."""
        with local_failures(str(local)), self._failures(path):
            self._s3.put_file(str(local), self._at(path))

    def get_file(self, path: str, local: Path) -> None:
        """Download to a local file."""
        with local_failures(str(local)):
            local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(f".part-{secrets.token_hex(8)}")
        try:
            with local_failures(str(local)), self._failures(path):
                self._s3.get_file(self._at(path), str(part))
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> tuple[FileStat, ...]:
        """Return all objects whose path starts with `prefix`, sorted."""
        folder, _, start = prefix.rpartition("/")
        top = f"{self._root}/{folder}".rstrip("/")
        with self._failures(prefix):
            self._s3.invalidate_cache()
            found = self._s3.find(top, prefix=start, detail=True)
        cut = len(self._root) + 1
        stats = (
            FileStat(
                name[cut:],
                int(info["size"]),
                str(info.get("ETag", "")).strip('"'),
                info["LastModified"].astimezone(UTC),
            )
            for name, info in found.items()
            if info["type"] == "file" and name.startswith(f"{top}/")
        )
        return tuple(sorted(stats))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete in the given order."""
        for batch in _batches([self._key(p) for p in paths]):
            with self._failures(batch[0]):
                answer = self._s3.call_s3(
                    "delete_objects",
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
                )
            if answer.get("Errors"):
                failed = answer["Errors"][0]
                msg = f"{self.uri}: cannot delete {failed.get('Key')}: {failed.get('Code')}"
                raise StoreUnavailableError(msg)

    def local_path(self, path: str) -> Path | None:
        """Return None: objects are not on a local disk."""
        del path
        return None

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _key(self, path: str) -> str:
        return self._at(path).partition("/")[2]

    def _put_if_absent(self, path: str, data: bytes) -> str:
        """Return the server's code of a refusal; empty if it was written."""
        try:
            self._s3.pipe_file(self._at(path), data, mode="create")
        except FileExistsError:
            return "PreconditionFailed"
        except OSError as error:
            code = _code(error)
            if code in _REFUSED | _CONFLICT:
                return code
            raise
        return ""

    @contextmanager
    def _failures(self, path: str) -> Iterator[None]:
        what = f"{self.uri}/{path}"
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            msg = f"{self.uri}: no S3 credentials found in the environment or mounted files"
            raise BadConfigError(msg) from error
        except FileNotFoundError as error:
            if _code(error) in _NO_BUCKET:
                msg = f"{self.uri}: no bucket {self.bucket!r}; create it or correct the address"
                raise BadConfigError(msg) from error
            raise
        except PermissionError as error:
            msg = f"{what}: access denied ({_code(error)}); check the credentials and their policy"
            raise BadConfigError(msg) from error
        except (OSError, BotoCoreError) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # a local file's failure, told apart by local_failures
            msg = f"{what}: {_code(error)}; the store did not answer as it should, run again"
            raise StoreUnavailableError(msg) from error


def _code(error: BaseException) -> str:
    """Return the server's error code, or the kind of network failure; never a header or a key."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _DELETE_AT_ONCE):
        yield keys[start : start + _DELETE_AT_ONCE]
