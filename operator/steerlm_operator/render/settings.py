"""What the installation decides, as far as objects are made from it."""

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field

from steerlm_jobs.contract.config import CONTRACT_VERSION
from steerlm_jobs.contract.values import Value
from steerlm_operator.api.placement import Placement, S3Spec, Toleration
from steerlm_operator.api.status import ResolvedSettings
from steerlm_operator.render.peers import Cidr, Peer

A100: Final = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
GPU_TAINT: Final = Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
A100_NODES: Final = Placement(node_selector=A100, tolerations=(GPU_TAINT,))


def _or_a100(given: Any) -> Any:  # Any: JSON
    """Return A100 nodes for null alone: `{}` is a placement that any node fulfils."""
    return A100_NODES if given is None else given


_GpuPlacement = Annotated[
    Placement, BeforeValidator(_or_a100, json_schema_input_type=Placement | None)
]


class StagePodSettings(Value):
    """How stage pods look in this cluster: values of the chart."""

    image: str = "steerlm-jobs:latest"
    """Where a run and its stage name none."""
    service_account: str = "default"
    """Of the run's namespace; workload identity hangs on it."""
    image_pull_secrets: tuple[str, ...] = ()
    gpu_placement: _GpuPlacement = A100_NODES
    """Nodes for stages with GPUs where a run says nothing; null: A100 of 80 GB, `{}`: any."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    pod_annotations: dict[str, str] = Field(default_factory=dict)
    grace_seconds: int = Field(default=300, ge=1)
    """Between SIGTERM and SIGKILL: a checkpoint of a large model takes minutes."""
    egress_cidrs: tuple[Cidr, ...] = ("0.0.0.0/0",)
    """Where stage pods may connect to: store and hub. Empty: nowhere but to `egress_to`."""
    egress_to: tuple[Peer, ...] = ()
    """Where else: pods of the cluster, by their labels."""
    s3: S3Spec = S3Spec()
    """S3 server and region where a run names none."""
    operator_namespace: str = ""
    """Where the operator's pods are; they read the progress of stage pods."""

    def offered(self) -> ResolvedSettings:
        """Return what a run that is accepted now is to use to its end."""
        return ResolvedSettings(
            image=self.image,
            gpu_placement=self.gpu_placement,
            contract_version=CONTRACT_VERSION,
        )

    def pinned(self, resolved: ResolvedSettings | None) -> Self:
        """Return the settings for a run: what was pinned when it was accepted, else today's."""
        if resolved is None:
            return self
        pins = {"image": resolved.image, "gpu_placement": resolved.gpu_placement}
        return self.model_copy(update=pins)
