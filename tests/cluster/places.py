"""Two places behind the operator's Protocol: the cluster in memory, and the real API server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from steerlm_operator.cluster.api import PATHS, KubeApi, Object, Resource
from steerlm_operator.cluster.client import Client
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ADMIN
from tests.scenario.memory_cluster import MemoryCluster

Story = Callable[[KubeApi], Awaitable[None]]
Change = tuple[str, str, bool]
"""What a watch tells: name, version, True if the object is gone."""
NO_NODE = "nowhere"
"""A node that nobody runs pods of."""


class Place(Protocol):
    """Where a claim about an API server is put to the test."""

    namespace: str

    def play(self, story: Story) -> None:
        """Let calls happen."""
        ...

    def allow_no_jobs(self) -> None:
        """Set a quota that is used up."""
        ...

    def let_pods_come(self, job: str) -> None:
        """Return when a Job has its pod."""
        ...

    def let_time_run_out(self, job: str) -> None:
        """Return when a Job has failed whose deadline is a second."""
        ...

    def let_go(self, resource: Resource, name: str) -> None:
        """Return when a deleted object is gone."""
        ...

    def changes(self, resource: Resource, since: int, count: int) -> list[Change]:
        """Return the first changes after a version, as a watch tells them."""
        ...


@dataclass
class InMemory:
    """The stand-in."""

    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    namespace: str = "default"
    _told: list[tuple[Resource, Change]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.watchers.append(self._tell)
        self.cluster.lost_nodes.add(NO_NODE)

    def play(self, story: Story) -> None:
        asyncio.run(_as_coroutine(story(self.cluster)))

    def allow_no_jobs(self) -> None:
        self.cluster.refusals = 1

    def let_pods_come(self, job: str) -> None:
        del job
        self.cluster.tick()

    def let_time_run_out(self, job: str) -> None:
        del job
        self.cluster.tick(2)
        self.cluster.tick(0)

    def let_go(self, resource: Resource, name: str) -> None:
        del resource, name
        self.cluster.tick()

    def changes(self, resource: Resource, since: int, count: int) -> list[Change]:
        found = [change for kind, change in self._told if kind is resource]
        return [change for change in found if int(change[1]) > since][:count]

    def _tell(self, resource: Resource, found: Object, is_gone: bool) -> None:  # noqa: FBT001  # as the Protocol has it
        self._told.append((resource, _change(found, is_gone=is_gone)))


@dataclass
class Real:
    """The API server, asked as the administrator: the audit of the operator stays its own."""

    cluster: Cluster
    namespace: str

    def play(self, story: Story) -> None:
        asyncio.run(self._played(story))

    def allow_no_jobs(self) -> None:
        made = ("create", "quota", "none", "-n", self.namespace, "--hard=count/jobs.batch=0")
        self.cluster.kubectl(*made)
        known = "--for=jsonpath={.status.hard.count/jobs\\.batch}=0"
        self.cluster.kubectl("wait", "quota/none", "-n", self.namespace, known)

    def let_pods_come(self, job: str) -> None:
        active = "--for=jsonpath={.status.active}=1"
        self.cluster.kubectl("wait", f"job/{job}", "-n", self.namespace, active)

    def let_time_run_out(self, job: str) -> None:
        failed = ("--for=condition=Failed", "--timeout=60s")
        self.cluster.kubectl("wait", f"job/{job}", "-n", self.namespace, *failed)

    def let_go(self, resource: Resource, name: str) -> None:
        self.cluster.kubectl("wait", f"{resource}/{name}", "-n", self.namespace, "--for=delete")

    def changes(self, resource: Resource, since: int, count: int) -> list[Change]:
        return asyncio.run(self._watched(resource, since, count))

    async def _played(self, story: Story) -> None:
        plane = self.cluster.control_plane
        settings = Configuration(host=plane.url)
        settings.verify_ssl = False
        settings.api_key = {"BearerToken": f"Bearer {plane.tokens[ADMIN]}"}
        async with Client(ApiClient(configuration=settings), 30) as client:
            await story(client)

    async def _watched(self, resource: Resource, since: int, count: int) -> list[Change]:
        plane = self.cluster.control_plane
        path = f"{PATHS[resource]}/namespaces/{self.namespace}/{resource}"
        query = {"watch": "true", "resourceVersion": str(since), "timeoutSeconds": "1"}
        found: list[Change] = []
        async with (
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {plane.tokens[ADMIN]}"},
                connector=aiohttp.TCPConnector(ssl=False),
            ) as session,
            session.get(f"{plane.url}{path}", params=query) as stream,
        ):
            async for line in stream.content:
                event: dict[str, Any] = json.loads(line)
                found.append(_change(event["object"], is_gone=event["type"] == "DELETED"))
        return found[:count]


def _change(found: Object, *, is_gone: bool) -> Change:
    return found["metadata"]["name"], found["metadata"]["resourceVersion"], is_gone


async def _as_coroutine(story: Awaitable[None]) -> None:
    await story
