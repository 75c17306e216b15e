"""What one pass sees: a frozen snapshot, the only input of the planner beside the time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Progress, Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import RunStatus
from steerlm_operator.core.graph import StageId

STUCK_PATIENCE: Final = timedelta(seconds=60)
"""So long after its grace a pod that was told to end is waited for."""
REPORT_DELAY: Final = timedelta(seconds=10)
"""So long after the end of its Job the report of an attempt may come."""


class AttemptState(StrEnum):
    """What has become of an attempt that was launched."""

    ACTIVE = "Active"
    ENDED = "Ended"
    LOST = "Lost"
    """It is gone and left neither exit code nor report: its host died, or it was deleted."""
    SILENT = "Silent"
    """Its Job completed, but no report is left: pods were collected, say. A probe is to look."""
    DELETED = "Deleted"
    """Its Job was there and is no more: somebody deleted it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the pods of an attempt do not start."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a stage, by a Job or by a process."""

    stage: StageId
    number: int
    state: AttemptState
    uid: str = ""
    """Identity of the Job or process; never the same for two attempts."""
    job_name: str = ""
    """Empty for a process."""
    node: str = ""
    """Where its first pod is; empty until that is known, and for a process."""
    exit_code: int | None = None
    """Set if and only if it has ended."""
    is_out_of_memory: bool = False
    """True: the kernel killed it, for it or its node had no memory left."""
    has_spent_shard: bool = False
    """True: its Job started a shard again as often as `retry.limit` lets it, and in vain."""
    report: Report | None = None
    progress: Progress | None = None
    created_at: datetime | None = None
    """When its Job was created, or last let go by its queue; None for a process, which starts at
    once."""
    is_held: bool = False
    """True: a queue holds it back; waiting there is nobody's failure."""
    waits_for: Wait | None = None
    """What its pods wait for, where that is known."""
    waits_since: datetime | None = None
    """Since when it has waited for the pods that wait now; None: none does."""
    silent_node: str = ""
    """Node of a running pod that has stopped to answer; empty: all answer."""
    stuck_since: datetime | None = None
    """When the grace of a pod was over that was told to end and has not; None: there is none."""
    stuck_node: str = ""
    """Node of that pod."""
    started_at: datetime | None = None
    """When it started to work: the last pod of a gang. None: pods that it needs wait for nodes,
    images or volumes."""
    progressed_at: datetime | None = None
    """Since when the progress has not changed, as far as that was heard, or since when in vain it
    was asked for again. None: nobody has ever heard it, so that its silence says nothing."""
    asked_at: datetime | None = None
    """When it was asked for its progress last; None: that is read with each look."""
    ended_at: datetime | None = None
    """Of a lost one: its last sign of life."""
    failed_at: datetime | None = None
    """When its Job failed, if not all of its pods have been seen to end; else None."""
    is_probed: bool = False
    """True: a probe looks for the result of a silent one; what waits or is stuck is its pod."""
    probe_waits_since: datetime | None = None
    """When that probe was created; None: its pod has started, or there is none."""
    has_no_result: bool = False
    """True: a probe has looked for it in vain; the report has its words."""

    def unreported_at(self) -> datetime | None:
        """Return from when on nobody waits any more for what the pods say of its end; else None.

        Jobs and pods are watched apart, so that may still be on its way.
        """
        since = self.ended_at if self.state is AttemptState.SILENT else self.failed_at
        return None if since is None else since + REPORT_DELAY

    @property
    def is_waiting(self) -> bool:
        """True: launched, not started, and nothing holds it back on purpose."""
        return self.state is AttemptState.ACTIVE and self.started_at is None and not self.is_held


@dataclass(frozen=True, slots=True)
class Observed:
    """A run, what was recorded about it, and its attempts as they are."""

    run: SteerLMRun
    run_uid: str
    prefix: str
    """Address below which the run's artifacts lie."""
    status: RunStatus | None = None
    """As recorded by the last pass; None before the first."""
    attempts: tuple[Attempt, ...] = ()
    """In any order."""
    generation: int = 0
    """Of the run object; 0 where there is no cluster."""
    denial: str = ""
    """Why no attempt may start, in one line; empty: it may."""
    denied_for: Reason = Reason.POLICY_DENIED
    """What that is called: the installation is against it, or the spec is invalid by now."""
    stuck_patience: timedelta = STUCK_PATIENCE
    """After so long past its grace the node of a pod counts as lost."""

    def attempt(self, stage: StageId, number: int) -> Attempt | None:
        """Return one attempt of a stage; None if it was never launched."""
        found = (a for a in self.attempts if (a.stage, a.number) == (stage, number))
        return next(found, None)

    def last_ended(self, stage: StageId) -> int:
        """Return the highest number of a stage's ended attempts, 0 if none; never used again.

        The status may not know them: it forgets a stage that the graph did not have for a while.
        """
        ended = (a for a in self.attempts if a.stage == stage and a.state != AttemptState.ACTIVE)
        return max((a.number for a in ended), default=0)


@dataclass(frozen=True, slots=True)
class Launch:
    """Start an attempt. Doing it twice must fail, not start it twice."""

    stage: StageId
    attempt: int
    config: StageConfig
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask an attempt to leave its checkpoint and end. Repeated until it has ended."""

    stage: StageId
    attempt: int
    reason: Reason
    grace_seconds: float | None = None
    """Kill it if it has not ended after so long; None: wait for its checkpoint."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Look, on a CPU, for the result of an attempt whose Job completed without a report.

    Doing it twice must fail, not start it twice.
    """

    attempt: Launch
    """As it was launched: what it has made, and where."""

    @property
    def stage(self) -> StageId:
        """Return the stage whose result is looked for."""
        return self.attempt.stage


Action = Launch | Stop | Probe


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what to record, and when to look again if nothing happens before."""

    actions: tuple[Action, ...]
    status: RunStatus
    look_again_at: datetime | None = None
