"""The workers: they take runs from the queue and reconcile them, one worker a run."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.cluster.cache import Cache, RunKey
from steerlm_operator.cluster.events import Untold
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.liveness import SignsOfLife
from steerlm_operator.cluster.pauses import backoff_seconds, draw_of
from steerlm_operator.cluster.pods import Heard
from steerlm_operator.cluster.queue import WorkQueue
from steerlm_operator.cluster.reconciler import reconcile
from steerlm_operator.cluster.surroundings import Surroundings
from steerlm_operator.core.admission import Policy
from steerlm_operator.core.observed import STUCK_PATIENCE, Wait
from steerlm_operator.render.names import SELECTOR
from steerlm_operator.render.settings import StagePodSettings

log = logging.getLogger(__name__)

_CONFLICT_SECONDS: Final = 0.05
"""A newer version of the run is on its way to us; if it does not come, the pauses grow."""
_PASSES_AT_ONCE: Final = 4
"""A pass that records an attempt is followed at once by the one that creates its Job."""
_ANYTHING: Final = Policy()
WATCHED: Final = {
    Resource.RUNS: "",
    Resource.JOBS: SELECTOR,
    Resource.PODS: SELECTOR,
    Resource.DEPLOYMENTS: SELECTOR,
}


class Shell:
    """Cache, queue and workers of one operator process."""

    def __init__(
        self,
        api: KubeApi,
        site: StagePodSettings,
        now: Callable[[], datetime],
        figures: Figures,
        policy: Policy = _ANYTHING,
        stuck_patience: timedelta = STUCK_PATIENCE,
    ) -> None:
        self.cache = Cache()
        self.queue: WorkQueue[RunKey] = WorkQueue()
        self.progress: dict[str, Heard] = {}
        self.waits: dict[str, Wait] = {}
        """What Events say pods wait for, by Job uid."""
        self.untold = Untold(api, figures)
        """What has happened and is to be told in Events."""
        self._api, self._figures = api, figures
        self._around = Surroundings(
            api,
            self.cache,
            site,
            now,
            self.progress,
            self.untold,
            self.waits,
            policy=policy,
            stuck_patience=stuck_patience,
        )
        self._failures: dict[RunKey, int] = {}
        self.is_listed = False
        """True once the cache holds all there is: no worker acts before."""
        self.relisted_at = 0.0
        """When that was last made sure, by the event loop's clock."""
        self._under_way: dict[RunKey, float] = {}
        """Since when a worker has looked at a run, by the same clock."""
        self._seen_meanwhile: dict[RunKey, str] = {}
        """The newest version of a run that was seen while a worker looked at it."""

        figures.watch(
            "steerlm_queue_depth", "Runs that wait for a worker.", lambda: len(self.queue)
        )
        figures.watch("steerlm_runs", "Runs in the cluster.", self.cache.num_runs)

    def saw(self, resource: Resource, found: Object, *, is_gone: bool) -> None:
        """Remember an object, and look at its run. Never raises."""
        key = self.cache.observe(resource, found, is_gone=is_gone)
        if resource is Resource.JOBS and is_gone:
            self.progress.pop(found["metadata"]["uid"], None)
            self.waits.pop(found["metadata"]["uid"], None)
        if key is None:
            return
        if resource is not Resource.RUNS or is_gone:
            self.queue.add(key)
        elif key in self._under_way:  # whose write it is may not be known yet
            self._seen_meanwhile[key] = found["metadata"]["resourceVersion"]
        else:
            self._saw_run(key, found["metadata"]["resourceVersion"])

    def _saw_run(self, key: RunKey, version: str) -> None:
        """Look at a run that has changed; what we wrote ourselves cuts no pause short.

        A refusal is told in the status: each write of it would be followed by the next try.
        """
        if key in self._failures and self._around.written.get(key) == version:
            return
        self.queue.add(key)

    async def relist(self) -> None:
        """Make the cache equal to what the server has; look at every run.

        Raises:
            ApiRefusedError: The server did not answer.
        """
        vanished: set[RunKey] = set()
        for resource, selector in WATCHED.items():
            listed = await self._api.list_all(resource, selector)
            vanished |= self.cache.replace_all(resource, listed)
        self._drop_what_is_gone()
        self.is_listed, self.relisted_at = True, asyncio.get_running_loop().time()
        for key in {*self.cache.keys(), *vanished}:
            self.queue.add(key)

    def _drop_what_is_gone(self) -> None:
        """Keep nothing of Jobs that vanished while nobody watched."""
        present = {job["metadata"]["uid"] for job in self.cache.every(Resource.JOBS)}
        for known in (self.progress, self.waits):
            for uid in known.keys() - present:
                del known[uid]

    async def work(self) -> None:
        """Reconcile runs for ever."""
        while True:
            await self.work_once()

    async def work_once(self) -> None:
        """Reconcile the next run of the queue."""
        key = await self.queue.get()
        try:
            await self.look_at(key)
        finally:
            self.queue.done(key)

    async def look_at(self, key: RunKey) -> None:
        """Reconcile a run; whatever goes wrong with it touches no other run."""
        self.queue.forget(key)
        self._under_way[key] = asyncio.get_running_loop().time()
        try:
            await self._look_at(key)
        finally:
            del self._under_way[key]
            version = self._seen_meanwhile.pop(key, None)
            if version is not None:
                self._saw_run(key, version)

    def signs_of_life(self) -> SignsOfLife:
        """Return what `what_stalls` judges this shell by."""
        passes = ((f"{key.namespace}/{key.name}", at) for key, at in self._under_way.items())
        return SignsOfLife(self.relisted_at, tuple(passes))

    async def _look_at(self, key: RunKey) -> None:
        try:
            again_in = await self._passes(key)
        except ApiRefusedError as error:
            self._later(key, error)
        except Exception as error:  # the outermost loop: a bug in one run must not end the others
            log.exception("%s/%s: a pass failed", key.namespace, key.name)
            self._later(key, error, is_told=True)
        else:
            if again_in is not None:
                self.queue.add_after(key, again_in)

    async def _passes(self, key: RunKey) -> float | None:
        """Make passes while there is more to do now; return when to look again."""
        again_in: float | None = 0.0
        for _ in range(_PASSES_AT_ONCE):
            with self._figures.passes.time():
                again_in = await reconcile(key, self._around)
            self._failures.pop(key, None)
            if again_in != 0.0:
                break
        return again_in

    def _later(self, key: RunKey, error: Exception, *, is_told: bool = False) -> None:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        if isinstance(error, ApiRefusedError) and error.is_conflict and failures == 1:
            self.queue.add_after(key, _CONFLICT_SECONDS)
            return
        self._figures.failed_passes.inc()
        asked = error.retry_after_seconds if isinstance(error, ApiRefusedError) else 0.0
        draw = draw_of(key.namespace, key.name, failures)
        seconds = backoff_seconds(failures, asked, draw)
        if not is_told:
            log.warning("%s/%s: %s; again in %.0f s", key.namespace, key.name, error, seconds)
        self.queue.add_after(key, seconds)


async def relist_for_ever(shell: Shell, every_seconds: float) -> None:
    """List anew from time to time: it repairs whatever a watch has missed."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await shell.relist()
        except ApiRefusedError as error:
            log.warning("relist: %s", error)
