"""`gc`: deletes results that no kept one was made from, and says which and how much."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from steerlm_jobs.store.clock import utc_now
from steerlm_jobs.store.collecting import age, delete_garbage, find_garbage, folders_below
from steerlm_jobs.store.garbage import Doomed

_SHOWN_FINGERPRINT = 12


def collect(prefix: str, older_than: str, *, is_dry_run: bool) -> None:
    """Print a table of what goes, then delete it unless this is a dry run.

    Raises:
        BadConfigError: Wrong prefix or age.
        BadInputError: A manifest is damaged, so it cannot be known what is needed.
    """
    limit = age(older_than)
    now = utc_now()
    found = find_garbage(prefix, limit, now)
    if not found:
        num_results = sum(folder.is_sealed for folder in folders_below(prefix))
        print(f"{prefix}: nothing to delete; {num_results} results, all young or needed")
        return
    print("\n".join(table(found, now)), flush=True)
    freed = _size(sum(one.num_bytes for one in found))
    num_files = sum(len(one.files) for one in found)
    if is_dry_run:
        print(f"{prefix}: would free {freed} in {num_files} files; nothing was deleted")
        return
    delete_garbage(prefix, found)
    print(f"{prefix}: freed {freed} in {num_files} files")


def table(found: Iterable[Doomed], now: datetime) -> list[str]:
    """Return the lines of a table, its heading first."""
    rows = [("KIND", "FINGERPRINT", "AGE", "SIZE", "WHY")]
    rows += [
        (
            one.folder.kind.value,
            one.folder.fingerprint[:_SHOWN_FINGERPRINT],
            _age(now - max(file.modified_at for file in one.files)),
            _size(one.num_bytes),
            one.why.value,
        )
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    return (text.ljust(width) for text, width in zip(row, widths, strict=True))


def _age(old: timedelta) -> str:
    hours = old.total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{max(hours, 0):.0f} h"


def _size(num_bytes: int) -> str:
    size = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
