"""Where stages run and how often they are tried: resources, placement, retries, storage, queue."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.values import EnvironmentName, ExtendedResources, Quantity, SecretName


class Resources(Value):
    """What a node of a stage gets. On one machine only a training's gpus mean something."""

    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs, and so processes, a node: so many train together, on one machine too, on its CPU where
    it has no GPU. 0: one process."""
    cpu: Quantity | None = None
    """CPU request."""
    memory: Quantity | None = None
    """Memory request and limit."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm."""
    scratch: Quantity | None = None
    """Size of the local scratch volume."""
    extended: ExtendedResources = Field(default_factory=dict)
    """Further resources by name: network cards, huge pages in bytes."""


class Toleration(Value):
    """A node taint that stages accept."""

    key: str = Field(default="", max_length=317)
    """Taint key."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How the key is compared."""
    value: str = Field(default="", max_length=63)
    """Taint value."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Taint effect; empty matches all."""


class Placement(Value):
    """Which nodes a stage may use. An allow-list, on purpose."""

    node_selector: dict[str, str] = Field(default_factory=dict, max_length=16)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=16)
    """Taints that are accepted."""
    topology_key: str = Field(default="", max_length=317)
    """Nodes of one gang share this label's value; shards go anywhere."""
    priority_class_name: str = Field(default="", max_length=253)
    """Priority of the pods."""
    scheduler_name: str = Field(default="", max_length=253)
    """Another scheduler than the default."""
    runtime_class_name: str = Field(default="", max_length=253)
    """Container runtime class."""


class RetryPolicySpec(Value):
    """How often a stage is tried again."""

    limit: int = Field(default=2, ge=0, le=100)
    """Counted failures that are forgiven: 2 means three attempts."""
    disruption_limit: int = Field(default=10, ge=0, le=1000)
    """Disruptions forgiven in a row without a newer checkpoint."""
    backoff_seconds: int = Field(default=30, ge=0, le=3600)
    """Wait after the first failure; doubled after each further one."""


class Cache(StrEnum):
    """Whether a result that exists is used."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class EnvironmentVariable(Value):
    """An environment variable of the stage's processes."""

    name: EnvironmentName
    """Reserved names are refused."""
    value: str = Field(default="", max_length=4096)
    """Never a secret: it stands in the spec for all to read."""


class QueueSpec(Value):
    """Kueue. Cluster only."""

    local_queue: str = Field(default="", max_length=253)
    """Name of the LocalQueue; empty: not queued."""
    priority_class: str = Field(default="", max_length=253)
    """Name of the WorkloadPriorityClass."""


class StageDefaults(Value):
    """Settings of all stages; each may override them."""

    image: str = Field(default="", max_length=512)
    """Container image. Cluster only; empty: the chart's."""
    gpu_placement: Placement | None = None
    """Nodes for stages with GPUs. Cluster only; absent: the chart's default, never merged."""
    cpu_placement: Placement = Placement()
    """Nodes for stages without GPUs. Cluster only."""
    retry: RetryPolicySpec = RetryPolicySpec()
    """Budgets for failures and disruptions."""
    stall_timeout_seconds: int = Field(default=1800, ge=1)
    """An attempt without progress for so long is ended and tried again."""
    pods_ready_timeout_seconds: int = Field(default=1800, ge=1)
    """A gang that is not complete by then is a disruption. Cluster only."""
    cache: Cache = Cache.ENABLED
    """Disabled: results that exist are not used."""
    env: tuple[EnvironmentVariable, ...] = Field(default=(), max_length=32)
    """Environment of the stage programs."""


class CredentialsMode(StrEnum):
    """How stages authenticate to the store."""

    WORKLOAD_IDENTITY = "WorkloadIdentity"
    SECRET = "Secret"  # noqa: S105  # the name of a mode


class Credentials(Value):
    """Credentials for S3. Cluster only; on one machine the environment has them."""

    mode: CredentialsMode = CredentialsMode.WORKLOAD_IDENTITY
    """WorkloadIdentity, or a Secret."""
    secret_name: SecretName = ""
    """Name of the Secret, with mode Secret."""


class S3Spec(Value):
    """An S3 server other than AWS's own. Cluster only; on one machine the environment has it."""

    endpoint_url: str = Field(default="", max_length=1024)
    """Address of the S3 server."""
    region: str = Field(default="", max_length=63)
    """Region."""


class StorageSpec(Value):
    """Where results go. On one machine `--workdir` takes its place."""

    prefix: str = Field(default="", max_length=1024)
    """s3:// address below which all artifacts lie."""
    s3: S3Spec = S3Spec()
    """Server and region."""
    credentials: Credentials = Credentials()
    """How stages authenticate."""
