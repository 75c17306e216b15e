"""What a process of this machine has used, as Linux counts it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_MEMORY: Final = re.compile(r"(VmRSS|VmHWM):\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, since its start."""

    cpu_seconds: float
    resident_mib: float
    """Now."""
    peak_mib: float


def usage_of(pid: int) -> Usage:
    """Return what a process has used so far.

    Raises:
        FileNotFoundError: It has ended.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    ticks = stat.rpartition(")")[2].split()[11:13]  # utime, stime
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    kib = {found[1]: int(found[2]) for found in _MEMORY.finditer(status)}
    return Usage(
        cpu_seconds=sum(map(int, ticks)) / _TICKS,
        resident_mib=kib["VmRSS"] / 1024,
        peak_mib=kib["VmHWM"] / 1024,
    )
