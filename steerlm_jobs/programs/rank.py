"""One of the processes that train together: it meets the others, and fails as the first of them."""

import logging
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Report
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.process.threads import use_threads
from steerlm_jobs.process.watchdog import Watchdog
from steerlm_jobs.programs.launched import report_file
from steerlm_jobs.programs.recipes import recipe_of
from steerlm_jobs.programs.stage import deliver, failure_report, load_config, observed, with_notes
from steerlm_jobs.store.clock import monotonic_seconds, pause
from steerlm_jobs.train.process_group import Failure, Meeting

log = logging.getLogger(__name__)

_OTHERS_SECONDS: Final = 10.0
"""How long a stalled rank waits for the stacks of the others."""


@dataclass(frozen=True, slots=True)
class RankRequest:
    """Which stage to work on, and where the rank's links to the outside are."""

    kind: StageKind
    config: Path
    reports: Path
    """Folder for the reports of all ranks of this node."""
    progress: Path | None
    """Written by rank 0."""
    scratch: Path
    """Folder with a folder for each rank of this node."""


def run_rank(request: RankRequest, stop: StopFlag) -> int:
    """Work on a stage with all other ranks and leave a report; return the exit code."""
    meeting = Meeting.from_environment()
    notes = Notes()
    try:
        report = _run(request, stop, meeting, notes)
    except BaseException as error:  # noqa: BLE001  # the outermost loop: all ends have a code
        report = _as_the_first(meeting, failure_report(error, notes))
    return deliver(report, report_file(request.reports, meeting.rank))


def _run(request: RankRequest, stop: StopFlag, meeting: Meeting, notes: Notes) -> Report:
    config = load_config(request.config, request.kind)
    use_threads(config.execution.num_threads)
    scratch = request.scratch / f"rank-{meeting.rank}"
    scratch.mkdir(parents=True, exist_ok=True)
    progress = ProgressWriter(None if meeting.rank else request.progress)
    timeout = config.execution.stall_timeout_seconds

    def on_stall() -> None:
        _leave_stalled(request, meeting, timeout)

    speaks = os.environ.get("LOCAL_RANK", "0") == "0"  # one port a node
    with Watchdog(progress, timeout, on_stall), observed(progress) if speaks else nullcontext():
        progress.update(activity=f"waiting for all {meeting.size} ranks")
        ranks = meeting.connect()
        context = StageContext(config, scratch, stop, progress, notes, ranks)
        report = recipe_of(request.kind)(context)
    progress.flush()
    return with_notes(report, notes)


def _as_the_first(meeting: Meeting, report: Report) -> Report:
    """Return the failure of the rank that failed first, if this one only lost its company."""
    own = Failure(meeting.rank, report.exit_code, report.message)
    first = meeting.tell(own)
    if first == own or report.exit_code is not ExitCode.BUG:
        return report
    log.error("ends as rank %d, which failed first: %s", first.rank, first.message)
    return report.model_copy(update={"exit_code": first.exit_code, "message": first.message})


def _leave_stalled(request: RankRequest, meeting: Meeting, timeout: float) -> None:
    """End this process; a little later, so that the others leave their stacks, too."""
    line = f"no progress for {timeout:g} s; the log has the stacks of all ranks"
    meeting.tell(Failure(meeting.rank, ExitCode.STALLED, line))
    until = monotonic_seconds() + _OTHERS_SECONDS
    num_stalled = meeting.num_stalled(has_joined=True)
    while num_stalled < meeting.size and monotonic_seconds() < until:
        pause(0.05)
        num_stalled = meeting.num_stalled()
    report = Report(exit_code=ExitCode.STALLED, message=line)
    os._exit(deliver(report, report_file(request.reports, meeting.rank)))
