"""Progress as a small JSON file that others may read at any time. Telemetry: no result needs it."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.report import Progress
from steerlm_jobs.store.clock import monotonic_seconds

MIN_SECONDS_BETWEEN_WRITES: Final = 0.25
"""Readers look about once a second; a write is an fsync-free rename of some 200 bytes."""


class ProgressWriter:
    """Keeps the newest progress and writes it at most four times a second.

    A change of activity or of the checkpoint step is written at once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._written_at = float("-inf")
        self.current = Progress()

    def update(
        self,
        *,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
        activity: str | None = None,
        figures: Mapping[str, float] | None = None,
        checkpoint_step: int | None = None,
    ) -> None:
        """Change what is given, keep the rest; figures are replaced as a whole."""
        given = {
            "done": done,
            "total": total,
            "unit": unit,
            "activity": activity,
            "figures": None if figures is None else dict(figures),
            "checkpoint_step": checkpoint_step,
        }
        before = self.current
        self.current = before.model_copy(update={k: v for k, v in given.items() if v is not None})
        self._write_if_due(
            is_urgent=self.current.activity != before.activity
            or self.current.checkpoint_step != before.checkpoint_step
        )

    def tick(self) -> None:
        """Count a piece of work that `done` does not show: a batch, a token of all answers."""
        self.current = self.current.model_copy(update={"ticks": self.current.ticks + 1})
        self._write_if_due(is_urgent=False)

    def flush(self) -> None:
        """Write the newest progress now."""
        self._write_if_due(is_urgent=True)

    def _write_if_due(self, *, is_urgent: bool) -> None:
        if self._path is None:
            return
        now = monotonic_seconds()
        if not is_urgent and now - self._written_at < MIN_SECONDS_BETWEEN_WRITES:
            return
        self._written_at = now
        part = self._path.with_name(f"{self._path.name}.part")
        with contextlib.suppress(OSError):  # a full disk must not end a stage for its telemetry
            part.write_text(self.current.model_dump_json(by_alias=True), encoding="utf-8")
            part.replace(self._path)
