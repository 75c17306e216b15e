"""Kubernetes Events about a run: for `kubectl describe`. Losing one changes nothing."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from steerlm_operator.api.run import API_VERSION, KIND
from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.core.happenings import Happening
from steerlm_operator.render.names import MANAGER, RunIdentity

log = logging.getLogger(__name__)
MOST_UNTOLD: Final = 2000
"""So many wait while the server takes none; then the oldest give way."""
AT_ONCE: Final = 8
"""Events that are created at the same time."""


class Untold:
    """What has happened and is to be told in Events: no run waits for that."""

    def __init__(self, api: KubeApi, figures: Figures, most: int = MOST_UNTOLD) -> None:
        self._api, self._figures = api, figures
        self._waiting: asyncio.Queue[tuple[RunIdentity, Happening, datetime]] = asyncio.Queue(most)

    def add(self, run: RunIdentity, found: Iterable[Happening], now: datetime) -> None:
        """Say it in the log, and in an Event as soon as it is its turn."""
        for happening in found:
            log.info("%s/%s: %s: %s", run.namespace, run.name, happening.reason, happening.message)
            if self._waiting.full():
                self._waiting.get_nowait()
                self._waiting.task_done()
                self._figures.lost_events.inc()
            self._waiting.put_nowait((run, happening, now))

    async def tell_for_ever(self) -> None:
        """Create Events as they come."""
        while True:
            await self._tell(await self._waiting.get())

    async def tell_all(self) -> None:
        """Create the Events that are waiting."""
        while not self._waiting.empty():
            await self._tell(self._waiting.get_nowait())

    async def told(self) -> None:
        """Wait until none is waiting, and none is being created."""
        await self._waiting.join()

    async def _tell(self, first: tuple[RunIdentity, Happening, datetime]) -> None:
        """Create the Event of a happening, and a few that wait behind it."""
        found = [first]
        while len(found) < AT_ONCE and not self._waiting.empty():
            found.append(self._waiting.get_nowait())
        try:
            await asyncio.gather(*(self._create(*one) for one in found))
        finally:
            for _ in found:
                self._waiting.task_done()

    async def _create(self, run: RunIdentity, happening: Happening, now: datetime) -> None:
        try:
            await self._api.create(Resource.EVENTS, run.namespace, event(run, happening, now))
        except ApiRefusedError as error:
            self._figures.lost_events.inc()
            log.warning("an event was not recorded: %s", error)
        except Exception:  # an answer that is no JSON, say: an Event is worth no process
            self._figures.lost_events.inc()
            log.exception("an event was not recorded")


def event(run: RunIdentity, happening: Happening, now: datetime) -> Object:
    """Return the Event of a happening."""
    time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{run.stem}.", "namespace": run.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": run.name,
            "namespace": run.namespace,
            "uid": run.uid,
        },
        "reason": happening.reason,
        "message": happening.message[:1024],
        "type": "Warning" if happening.is_warning else "Normal",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "action": happening.reason,
        "eventTime": time,
        "firstTimestamp": f"{time[:19]}Z",
        "lastTimestamp": f"{time[:19]}Z",
        "count": 1,
    }
