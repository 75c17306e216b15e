"""`status` of a run: derived, bounded, written once a pass."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from steerlm_jobs.contract.report import Progress
from steerlm_jobs.contract.values import Value
from steerlm_operator.api.conditions import Condition
from steerlm_operator.api.placement import Placement
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.serving import ServingStatus

MAX_MESSAGE: Final = 1024
"""Characters of a message; a longer one makes the API server refuse the whole status."""
MAX_STAGE_PROGRESS: Final = 64
"""Characters in a column of `kubectl get`: two counts of a billion and a word."""
MAX_METRICS: Final = 128
"""Figures of an evaluation: more than fit in a report of twenty attributes and ten meters."""


class Phase(StrEnum):
    """One word for people; no code reads it."""

    PENDING = "Pending"
    """Nothing has been started."""
    RUNNING = "Running"
    """Stages run, or wait to be tried again."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is true."""
    SUCCEEDED = "Succeeded"
    """It ended, and every gate held."""
    FAILED = "Failed"
    """It ended without: a stage was given up, a gate missed, the spec refused."""
    STOPPED = "Stopped"
    """It ended because `spec.shutdown` said so."""


class StageState(StrEnum):
    """How far a stage is."""

    PENDING = "Pending"
    """Its turn has not come."""
    QUEUED = "Queued"
    """An attempt is recorded and about to be launched, or waits for room."""
    RUNNING = "Running"
    """A container of the latest attempt has started."""
    RETRYING = "Retrying"
    """The last attempt failed; another one follows."""
    SUCCEEDED = "Succeeded"
    """It has a result, made by this run."""
    FAILED = "Failed"
    """Given up: its budget is used up, or no further attempt can help."""
    SKIPPED = "Skipped"
    """A stage before it was given up."""
    CACHED = "Cached"
    """Its result existed already."""
    CANCELLED = "Cancelled"
    """Ended by shutdown or deadline."""


class ArtifactRef(Value):
    """The result of a stage."""

    uri: str
    """Folder of the artifact."""
    digest: str
    """Digest of its content."""


class FailureRecord(Value):
    """How an attempt failed."""

    attempt: int
    """Its number."""
    exit_code: int | None = None
    """Of its process."""
    reason: Reason | None = None
    """Why, for programs."""
    message: str = Field(default="", max_length=MAX_MESSAGE)
    """Why, for people."""
    time: datetime | None = None
    """When it ended."""


class StageStatus(Value):
    """What is recorded about a stage."""

    name: str
    """Stage id, `sample-2` say."""
    state: StageState = StageState.PENDING
    """How far it is."""
    attempt: int = 0
    """Number of the latest attempt; 0: none yet. Never used twice."""
    retries: int = 0
    """Attempts that came of a failure or disruption of the one before; never set back."""
    failures: int = 0
    """Failures that count against `retry.limit`."""
    disruptions: int = 0
    """Disruptions since the last one that found a newer checkpoint."""
    checkpoint_step: int = 0
    """The newest checkpoint at the last disruption."""
    job_name: str = ""
    """Name of the attempt's Job."""
    job_uid: str = ""
    """Identity of the attempt's Job or process."""
    node: str = ""
    """Node of the latest attempt's first pod."""
    log_uri: str = ""
    """Folder of the latest attempt's logs; empty until the operator has them stored."""
    fingerprint: str = ""
    """Name of the result."""
    artifact: ArtifactRef | None = None
    """The result."""
    reason: Reason | None = None
    """Why it is in this state."""
    message: str = Field(default="", max_length=MAX_MESSAGE)
    """The same for people."""
    exit_code: int | None = None
    """Of the latest attempt that ended."""
    gpu_seconds: float = 0.0
    """GPUs times time of all attempts."""
    start_time: datetime | None = None
    """Of the latest attempt."""
    completion_time: datetime | None = None
    """Of the latest attempt."""
    progress: Progress | None = None
    """Of the latest attempt."""
    resumed_from: int | None = None
    """Its `progress.done` at its start, as far as the attempt before it had said."""
    eta: datetime | None = None
    """When it ends if it goes on as it has since its start; absent until that can be said."""
    last_failures: tuple[FailureRecord, ...] = ()
    """The last three."""


class ResolvedSettings(Value):
    """What the installation gave to a run when it was accepted: later values do not touch it.

    The spec goes before it, also where a later change of the spec begins to say something.
    """

    image: str = Field(default="", max_length=512)
    """Image of the stages that name none."""
    gpu_placement: Placement = Placement()
    """Nodes for stages with GPUs that name none."""
    contract_version: int = 0
    """Version of the stage config that its stages are told in."""


class ActedRetry(Value):
    """The `spec.retry` that was acted on last. What the spec says later touches no stage."""

    count: int = 0
    """Its count."""
    from_stage: str = ""
    """The first stage that it ran anew."""
    ignore_cache: bool = False
    """True: results that existed are not used for the stages that it ran anew."""


class RunStatus(Value):
    """What is recorded about a run."""

    observed_generation: int = 0
    """Generation of the spec that this was said of."""
    phase: Phase = Phase.PENDING
    """One word for people."""
    current_stage: str = ""
    """The stage whose turn it is."""
    progress: str = ""
    """Stages with a result / all stages."""
    stage_progress: str = Field(default="", max_length=MAX_STAGE_PROGRESS)
    """How far the current stage is while it runs: done / all, and what is counted."""
    start_time: datetime | None = None
    """When the run started."""
    completion_time: datetime | None = None
    """When it ended."""
    active_seconds: float = 0.0
    """Time of all attempts that have ended."""
    observed_retry_count: int = 0
    """The `spec.retry.count` seen last; one raised before the run has failed is used up."""
    retry: ActedRetry | None = None
    """The retry that was acted on last; absent: none was."""
    retries: int = 0
    """Those of all stages together: one that follows a suspend is none."""
    gpu_seconds: float = 0.0
    """GPUs times time of all attempts that have ended."""
    metrics: dict[str, str] = Field(default_factory=dict, max_length=MAX_METRICS)
    """Of the final evaluation, as far as its report holds them."""
    iterations_completed: int = 0
    """Bootstrap iterations with a model."""
    resolved: ResolvedSettings | None = None
    """What the installation gave; taken anew when a failed run is retried. Cluster only."""
    serving: ServingStatus | None = None
    """The model server, where there is one."""
    conditions: tuple[Condition, ...] = ()
    """For programs."""
    stages: tuple[StageStatus, ...] = ()
    """In graph order."""
