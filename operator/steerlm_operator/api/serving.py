"""`status.serving`: the model that is served, and how far it is."""

from pydantic import Field

from steerlm_jobs.contract.values import Value


class ServingStatus(Value):
    """The server of a run's model."""

    url: str = Field(default="", max_length=512)
    """Where callers within the cluster reach it."""
    model_digest: str = ""
    """Digest of the model that it serves, or is about to."""
    ready_replicas: int = 0
    """Pods that answer."""
