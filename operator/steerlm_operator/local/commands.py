"""How the stage programs are called on this machine."""

import importlib.util
import os
import sys
from typing import Final

from steerlm_operator.local.errors import JobsMissingError

JOBS_PROGRAM: Final = (sys.executable, "-P", "-m", "steerlm_jobs")
"""-P: a file of the caller's folder that is named like a module of ours must not replace it."""
_NEEDED: Final = ("torch", "transformers", "fsspec", "safetensors")


def require_jobs() -> None:
    """Check that stage programs can run.

    Raises:
        JobsMissingError: Something they import is not installed.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        msg = (
            f"the stage programs need {', '.join(missing)}, not installed here; install them with "
            "pip install 'steerlm[operator,jobs]'"
        )
        raise JobsMissingError(msg)


def jobs_environment() -> dict[str, str]:
    """Return the environment of the stage programs: this process's, with tokenizers on one thread.

    Their threads and a fork do not go together, and texts here are too short to gain from them.
    """
    return {**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
