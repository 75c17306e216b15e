"""What `steerlm run` shows while it runs: a bar for each stage; plain lines off a terminal."""

from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from steerlm_jobs.contract.report import Progress as StageProgress
from steerlm_operator.api.status import StageState, StageStatus
from steerlm_operator.core.observed import Observed, Plan

_FIGURES: Final = 2
"""How many figures of a stage fit beside its bar."""


def stage_seconds(record: StageStatus) -> float | None:
    """Return how long the last attempt of a stage took; None if it was not run."""
    if record.start_time is None or record.completion_time is None:
        return None
    return (record.completion_time - record.start_time).total_seconds()


def why(record: StageStatus) -> str:
    """Return why a stage is in its state, for people."""
    return record.message or (record.reason.value if record.reason is not None else "unknown")


class Watcher:
    """Turns passes into lines: one when a stage starts, one when it ends or is tried again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, StageStatus] = {}
        self._is_stopping = False
        self._bars = _Bars(console) if console.is_terminal else None

    def __enter__(self) -> "Watcher":
        if self._bars is not None:
            self._bars.progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.progress.stop()

    def show(self, observed: Observed, planned: Plan) -> None:
        """Show what is new since the last pass; that it is stopping, before that it has stopped."""
        if not self._is_stopping and observed.run.spec.suspend:
            self._is_stopping = True
            for name in _at_work(planned):
                self._print(f"stopping: {name} is asked to end; press Ctrl-C again not to wait")
        for record in planned.status.stages:
            before = self._seen.get(record.name)
            self._seen[record.name] = record
            if self._bars is not None:
                self._bars.show(record)
            if before is None or before.state is not record.state:
                for line in _lines(record, observed, has_bars=self._bars is not None):
                    self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _at_work(planned: Plan) -> list[str]:
    return [record.name for record in planned.status.stages if record.state is StageState.RUNNING]


def _lines(record: StageStatus, observed: Observed, *, has_bars: bool) -> tuple[str, ...]:
    """Return what to say about a stage that has just come to this state."""
    match record.state:
        case StageState.RUNNING if not has_bars:
            return (f"{record.name}: started (attempt {record.attempt})",)
        case StageState.SUCCEEDED | StageState.CACHED:
            return (_done_line(record), *_notes(record, observed))
        case StageState.RETRYING:
            return (f"{record.name}: {why(record)}; will be tried again",)
        case StageState.FAILED:
            return (f"{record.name}: failed", *_notes(record, observed))
        case _:
            return ()


def _done_line(record: StageStatus) -> str:
    seconds = stage_seconds(record)
    if record.state is StageState.CACHED:
        return f"{record.name}: cached"
    return f"{record.name}: done" + ("" if seconds is None else f" in {seconds:.1f} s")


def _notes(record: StageStatus, observed: Observed) -> tuple[str, ...]:
    attempt = next(
        (a for a in observed.attempts if (a.stage, a.number) == (record.name, record.attempt)), None
    )
    if attempt is None or attempt.report is None:
        return ()
    return tuple(f"  note: {note}" for note in attempt.report.notes)


class _Bars:
    """One bar for each stage that runs."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def show(self, record: StageStatus) -> None:
        """Update the stage's bar; take it away when the stage does not run."""
        task = self._tasks.get(record.name)
        if record.state is not StageState.RUNNING:
            if task is not None:
                self.progress.remove_task(self._tasks.pop(record.name))
            return
        if task is None:
            task = self.progress.add_task(record.name, total=None, detail="starting")
            self._tasks[record.name] = task
        if record.progress is not None:
            self.progress.update(
                task,
                total=record.progress.total or None,
                completed=record.progress.done,
                detail=_detail(record.progress),
            )


def _detail(progress: StageProgress) -> str:
    count = f"{progress.done:,}/{progress.total:,}" if progress.total else f"{progress.done:,}"
    figures = (f"{name} {value:.4g}" for name, value in list(progress.figures.items())[:_FIGURES])
    return "  ".join(
        part for part in (progress.activity, f"{count} {progress.unit}", *figures) if part
    )
