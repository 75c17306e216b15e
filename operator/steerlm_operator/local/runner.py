"""The reconciler of one machine: observe -> plan -> act -> one status write, until the run ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, assert_never

from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import RunStatus, StageState
from steerlm_operator.core.observed import Action, Launch, Observed, Plan, Probe, Stop
from steerlm_operator.core.plan import plan
from steerlm_operator.core.records import has_ended
from steerlm_operator.core.retry import begun_again
from steerlm_operator.local.clock import utc_now
from steerlm_operator.local.commands import JOBS_PROGRAM
from steerlm_operator.local.host import AttemptHost
from steerlm_operator.local.interrupts import Interrupts
from steerlm_operator.local.processes import ProcessHost
from steerlm_operator.local.workdir import Workdir

LOOK_EVERY_SECONDS = 0.25
"""How often progress is read while nothing ends."""


class StatusFile(Protocol):
    """Where the status is recorded."""

    def read_status(self) -> RunStatus | None:
        """Return what was recorded last."""
        ...

    def write_status(self, status: RunStatus) -> None:
        """Record a status, whole or not at all."""
        ...


class Signals(Protocol):
    """What the person at the terminal wants."""

    @property
    def ask_to_stop(self) -> bool:
        """True: leave a checkpoint and end."""
        ...

    @property
    def ask_to_kill(self) -> bool:
        """True: end without waiting for a checkpoint."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a runner touches beside the planner."""

    host: AttemptHost
    status_file: StatusFile
    signals: Signals
    now: Callable[[], datetime]
    show: Callable[[Observed, Plan], None]
    """Called once a pass, for the person who watches."""


def run_here(
    run: SteerLMRun,
    root: Path,
    show: Callable[[Observed, Plan], None],
    program: Sequence[str] = JOBS_PROGRAM,
) -> RunStatus:
    """Run in a folder of this machine until the run has ended, or Ctrl-C; return its last status.

    Raises:
        WorkdirError: The folder is not a run's.
        WorkdirLockedError: Another process runs there.
    """
    folder = Workdir.create(root, run.metadata.name)
    with folder.lock(), Interrupts() as signals, ProcessHost(folder, program) as host:
        around = Surroundings(host, folder, signals, utc_now, show)
        return run_to_end(run, folder.uid, folder.prefix, around)


def run_to_end(run: SteerLMRun, uid: str, prefix: str, around: Surroundings) -> RunStatus:
    """Reconcile until the run has ended or was asked to stop; return its last status."""
    observed = Observed(run, uid, prefix, around.status_file.read_status(), around.host.attempts())
    status = begun_again(observed, around.now())
    if status is not None:
        around.status_file.write_status(status)
    while True:
        planned = _one_pass(run, uid, prefix, status, around)
        if _is_over(planned):
            return planned.status
        status = planned.status
        around.host.wait(_pause(planned, around.now()))


def _one_pass(
    run: SteerLMRun, uid: str, prefix: str, status: RunStatus | None, around: Surroundings
) -> Plan:
    wanted = _suspended(run) if around.signals.ask_to_stop else run
    observed = Observed(wanted, uid, prefix, status, around.host.attempts())
    planned = plan(observed, around.now())
    if around.signals.ask_to_kill:
        around.host.kill()
    for action in planned.actions:
        _act(action, around.host)
    if planned.status != status:
        around.status_file.write_status(planned.status)
    around.show(observed, planned)
    return planned


def _suspended(run: SteerLMRun) -> SteerLMRun:
    """Return the run with `suspend: true`: what Ctrl-C means."""
    return run.model_copy(update={"spec": run.spec.model_copy(update={"suspend": True})})


def _act(action: Action, host: AttemptHost) -> None:
    match action:
        case Launch():
            host.launch(action)
        case Stop():
            host.stop(action)
        case Probe():  # for a Job that completed without a report; a process is never silent
            msg = f"{action.stage}: a process has no probe"
            raise ValueError(msg)
        case _:
            assert_never(action)


def _is_over(planned: Plan) -> bool:
    """Return True if nothing runs and nothing will, unless the spec changes."""
    if any(record.state is StageState.RUNNING for record in planned.status.stages):
        return False
    if has_ended(planned.status.stages):
        return True
    return not planned.actions and planned.look_again_at is None


def _pause(planned: Plan, now: datetime) -> float:
    if planned.look_again_at is None:
        return LOOK_EVERY_SECONDS
    left = (planned.look_again_at - now).total_seconds()
    return min(max(0.0, left), LOOK_EVERY_SECONDS)
