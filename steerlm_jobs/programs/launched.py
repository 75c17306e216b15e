"""A stage of several processes, seen from the one that starts them and speaks for them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Report
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.process.threads import use_threads

RANK_PROGRAM = (sys.executable, "-P", "-m", "steerlm_jobs", "rank")
_TRAINING = frozenset({StageKind.TRAIN_APM, StageKind.TRAIN_ACSFT})


class RankKilledError(Exception):
    """A rank was killed and nobody could say anything better."""

    def __init__(self, rank: int, number: int) -> None:
        super().__init__(f"rank {rank} was killed by signal {number}")
        self.number = number


def has_ranks(config: StageConfig) -> bool:
    """Return True if the stage is trained by several processes."""
    execution = config.execution
    return config.kind in _TRAINING and execution.num_nodes * execution.processes_per_node > 1


def launched(
    config: StageConfig, config_file: Path, progress: Path | None, scratch: Path, stop: StopFlag
) -> Report:
    """Run a stage by the ranks of this node; return the report of the one that speaks for all.

    That is the one that failed first, else the lowest rank.

    Raises:
        InterruptedStageError: Asked to stop before a rank was started.
        RankKilledError: A rank was killed.
    """
    from steerlm_jobs.train.launcher import Nodes, launch

    execution = config.execution
    num_processes = execution.processes_per_node
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    use_threads(execution.num_threads or max(1, (cores or 1) // num_processes))
    reports = scratch / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    command = [*RANK_PROGRAM, config.kind.value]
    paths = {"config": config_file, "reports": reports, "scratch": scratch, "progress": progress}
    for name, path in paths.items():
        command += [f"--{name}", str(path)] if path is not None else []
    nodes = Nodes.from_environment(execution.num_nodes)
    run_id = f"{config.stage}-{execution.writer}"
    ended = launch(command, nodes, num_processes, run_id, stop)
    failed = [report for report in _by_time(reports) if report.exit_code is not ExitCode.OK]
    if not failed or failed[0].exit_code is ExitCode.BUG:
        _raise_if_killed(ended.exit_codes, reports)
    return (failed or _by_rank(reports) or [_silent(is_stopped=ended.is_stopped)])[0]


def report_file(reports: Path, rank: int) -> Path:
    """Return where a rank leaves its report."""
    return reports / f"rank-{rank:06d}.json"


def _raise_if_killed(exit_codes: Mapping[int, int], reports: Path) -> None:
    for rank, code in exit_codes.items():
        if code < 0 and not report_file(reports, rank).exists():
            raise RankKilledError(rank, -code)


def _by_time(reports: Path) -> list[Report]:
    """Return what the ranks left, first come first."""
    files = sorted(reports.iterdir(), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return [report for file in files for report in _read(file)]


def _by_rank(reports: Path) -> list[Report]:
    return [report for file in sorted(reports.iterdir()) for report in _read(file)]


def _read(file: Path) -> list[Report]:
    try:
        return [Report.model_validate_json(file.read_bytes())]
    except (OSError, ValidationError):  # killed while it wrote
        return []


def _silent(*, is_stopped: bool) -> Report:
    if is_stopped:
        line = "stopped by a signal; the same command continues from here"
        return Report(exit_code=ExitCode.INTERRUPTED, message=line)
    return Report(exit_code=ExitCode.BUG, message="no rank has left a report (see the log)")
