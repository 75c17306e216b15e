"""How a program ends: which exit code, and which one line, an exception stands for."""

import sys
from typing import Final

from steerlm_jobs.contract.errors import ExitCode, StageError
from steerlm_jobs.store.failures import is_full_disk

_MAX_BUG_CHARACTERS: Final = 300


def outcome(error: BaseException) -> tuple[ExitCode, str]:
    """Return (exit code, one line for people)."""
    if isinstance(error, StageError):
        return error.exit_code, _one_line(str(error))
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted; the same command continues from here"
    if is_full_disk(error):
        name = getattr(error, "filename", None)
        where = f"{name}: " if name else ""
        return (
            ExitCode.STORE_UNAVAILABLE,
            _one_line(f"{where}disk full ({error}); free some space and run again"),
        )
    if _is_device_out_of_memory(error):
        line = (
            f"the device ran out of memory ({error}); set a smaller training.maxLengthTokens, "
            "use training.method Lora or a device with more memory"
        )
        return ExitCode.OUT_OF_MEMORY, _one_line(line)
    line = _one_line(f"{type(error).__name__}: {error}")[:_MAX_BUG_CHARACTERS]
    return ExitCode.BUG, f"unexpected {line} (traceback in the log)"


def _is_device_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _one_line(text: str) -> str:
    return " ".join(text.split())
