"""What a failed call to a store means: try again, change the config, or a missing file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from steerlm_jobs.contract.errors import BadConfigError, StoreUnavailableError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_WRONG_NAME: Final = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})


def is_full_disk(error: BaseException) -> bool:
    """Return True if the error says that a disk or quota is full, if only in its text."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    # safetensors, torch and sqlite3 raise errors of their own, with these texts inside
    text = str(error)
    return "No space left on device" in text or "database or disk is full" in text


@contextmanager
def local_failures(what: str) -> Iterator[None]:
    """Translate operating system errors about local files; `what` names the path."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        raise _translated(error, what) from error


def _translated(error: OSError, what: str) -> Exception:
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return StoreUnavailableError(f"{what}: disk full ({reason}); free some space and run again")
    if error.errno in _DENIED:
        return BadConfigError(f"{what}: {reason}; check the permissions of the folder")
    if error.errno in _WRONG_NAME:
        return BadConfigError(f"{what}: {reason}; check the address")
    return StoreUnavailableError(f"{what}: {reason}; run again")
