"""`SteerLMRun`, steerlm.dev/v1alpha1: the object that people write."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.attributes import DEFAULT_ATTRIBUTES, AttributeSpec
from steerlm_operator.api.bootstrap import BootstrapSpec
from steerlm_operator.api.data import DataSpec, ModelSpec
from steerlm_operator.api.placement import QueueSpec, StageDefaults, StorageSpec
from steerlm_operator.api.serve import ServeSpec
from steerlm_operator.api.stages import StagesSpec
from steerlm_operator.api.values import MAX_ATTRIBUTES, RUN_NAME_PATTERN

API_VERSION = "steerlm.dev/v1alpha1"
KIND = "SteerLMRun"


class Shutdown(StrEnum):
    """How a run is ended from outside."""

    NONE = "None"
    STOP = "Stop"
    """Finish the stage, then end."""
    TERMINATE = "Terminate"
    """End now."""


class RetrySpec(Value):
    """A request to try a failed run again."""

    count: int = Field(default=0, ge=0)
    """Raise by one to retry. Acts on a run that has failed, and on no other. Never falls."""
    from_stage: str = Field(default="", max_length=63)
    """Run this stage and all later ones anew; empty: those that have not succeeded."""
    ignore_cache: bool = False
    """True: results that exist are not used for them. Read when a raised count is acted on."""


class RunSpec(Value):
    """What a run is to do."""

    suspend: bool = False
    """True: nothing runs."""
    shutdown: Shutdown = Shutdown.NONE
    """Stop or Terminate."""
    retry: RetrySpec = RetrySpec()
    """Try a failed run again."""
    active_deadline_seconds: int | None = Field(default=None, ge=1)
    """Limit of running time; neither suspended nor queued time counts."""
    ttl_seconds_after_finished: int | None = Field(default=None, ge=0)
    """The object is deleted so long after its end. Cluster only."""
    managed_by: str = Field(default="steerlm.dev/operator", max_length=63)
    """Which controller acts on it. Cluster only."""
    seed: int = Field(default=1234, ge=0, lt=1 << 53)
    """Of all chance."""
    model: ModelSpec
    """The base model."""
    attributes: tuple[AttributeSpec, ...] = Field(
        default=DEFAULT_ATTRIBUTES, min_length=1, max_length=MAX_ATTRIBUTES
    )
    """A list given here replaces the default, NeMo-Aligner's nine."""
    data: DataSpec
    """What is learnt from."""
    storage: StorageSpec = StorageSpec()
    """Where results go. Cluster only."""
    queue: QueueSpec = QueueSpec()
    """Kueue. Cluster only."""
    defaults: StageDefaults = StageDefaults()
    """Settings of all stages."""
    stages: StagesSpec = StagesSpec()
    """Settings by stage kind."""
    bootstrap: BootstrapSpec = BootstrapSpec()
    """Bootstrap iterations."""
    serve: ServeSpec = ServeSpec()
    """A server of the final model. Cluster only."""


class Metadata(Value):
    """Name and labels, as in Kubernetes."""

    name: str = Field(pattern=RUN_NAME_PATTERN, max_length=40)
    """Lower-case letters, digits and '-', at most 40."""
    namespace: str = Field(default="", max_length=63)
    """Cluster only."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Cluster only."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Cluster only."""


class SteerLMRun(Value):
    """A run of the SteerLM pipeline."""

    api_version: Literal["steerlm.dev/v1alpha1"]
    """steerlm.dev/v1alpha1."""
    kind: Literal["SteerLMRun"]
    """SteerLMRun."""
    metadata: Metadata
    """Name and labels."""
    spec: RunSpec
    """What to do."""
