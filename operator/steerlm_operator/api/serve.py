"""`spec.serve`: a server of the final model."""

from enum import StrEnum

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.placement import Resources


class ServeEngine(StrEnum):
    """What generates."""

    TRANSFORMERS = "Transformers"
    VLLM = "Vllm"


class Rollout(StrEnum):
    """How a new model replaces an old one."""

    REPLACE = "Replace"
    SURGE = "Surge"


class ServeSpec(Value):
    """A server of the final model. Cluster only."""

    enabled: bool = False
    """True: serve the final model once the run has succeeded, gates included; false ends it."""
    replicas: int = Field(default=1, ge=0, le=1000)
    """Replicas."""
    resources: Resources = Resources()
    """Of each replica. With GPUs it goes where stages with GPUs go."""
    engine: ServeEngine = ServeEngine.TRANSFORMERS
    """What generates."""
    rollout: Rollout = Rollout.REPLACE
    """Replace ends the old pod first and needs no spare GPU; Surge starts the new one first."""
    nemo_generate: bool = False
    """Also serve `PUT /generate` in NeMo's form."""
    autoscaled: bool = False
    """True: replicas belong to an autoscaler, and the field above is not written."""
