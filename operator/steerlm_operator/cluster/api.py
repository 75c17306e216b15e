"""What the operator asks of an API server: a Protocol, so that tests may put another one behind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Object = dict[str, Any]  # Any: JSON
"""A Kubernetes object as the server gives it; a newer server has more fields than any model."""


class Resource(StrEnum):
    """The kinds that the operator reads or writes."""

    RUNS = "steerlmruns"
    JOBS = "jobs"
    PODS = "pods"
    DEPLOYMENTS = "deployments"
    SERVICES = "services"
    NETWORK_POLICIES = "networkpolicies"
    EVENTS = "events"


PATHS = {
    Resource.RUNS: "/apis/steerlm.dev/v1alpha1",
    Resource.JOBS: "/apis/batch/v1",
    Resource.PODS: "/api/v1",
    Resource.DEPLOYMENTS: "/apis/apps/v1",
    Resource.SERVICES: "/api/v1",
    Resource.NETWORK_POLICIES: "/apis/networking.k8s.io/v1",
    Resource.EVENTS: "/api/v1",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects of a kind, as they were at one version of the server's data."""

    items: list[Object]
    version: int


@dataclass(slots=True)
class ApiRefusedError(Exception):
    """The server refused a request, or could not be reached (status 0)."""

    status: int
    reason: str
    message: str
    retry_after_seconds: float = 0.0

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.status} {self.reason}: {self.message}"

    @property
    def is_conflict(self) -> bool:
        """True: the object is newer than the one we wrote over, or exists already."""
        return self.status == 409

    @property
    def is_gone(self) -> bool:
        """True: there is no such object."""
        return self.status == 404

    @property
    def is_refusal(self) -> bool:
        """True: the same request will be refused again: invalid, forbidden, over quota."""
        return self.status in {400, 403, 422}


class KubeApi(Protocol):
    """The calls that a pass makes. Each may raise `ApiRefusedError`."""

    async def list_all(self, resource: Resource, label_selector: str = "") -> Listed:
        """Return all objects of a kind that the operator may see, as the cache keeps them."""
        ...

    async def events_about(self, namespace: str, uid: str) -> list[Object]:
        """Return the Events about an object, the oldest first."""
        ...

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        """Create an object; 409 if one of that name exists."""
        ...

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        uid: str,
        *,
        grace_seconds: int | None = None,
    ) -> None:
        """Delete this very object and, behind it, all that it owns; nothing if it is gone.

        Args:
            resource: Its kind.
            namespace: Where it is.
            name: Its name.
            uid: Its identity.
            grace_seconds: Of a pod; 0: it is gone at once, whatever its node says. None: its own.
        """
        ...

    async def apply(self, resource: Resource, namespace: str, body: Object) -> Object:
        """Make an object as the body says: what we said before and say no more goes."""
        ...

    async def apply_status(self, namespace: str, body: Object) -> Object:
        """Apply the status of a run; 409 if the run is newer than `metadata.resourceVersion`."""
        ...
