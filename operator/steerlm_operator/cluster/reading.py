"""What was read of a run's objects: one that has not changed is not read again.

Most events change nothing that matters to us, and a run of 16 iterations keeps fifty Jobs and pods.
"""

from collections.abc import Iterable, Mapping

from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.attempts import attempts_of
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.pods import Heard
from steerlm_operator.cluster.probes import is_probe, with_probes
from steerlm_operator.cluster.runs import SeenRun, seen_run
from steerlm_operator.core.observed import Attempt, Wait

_Read = tuple[tuple[object, ...], tuple[Attempt, ...]]
"""What an attempt was read from, and what it was read as."""


class Reader:
    """The newest reading of each run."""

    def __init__(self) -> None:
        self._runs: dict[RunKey, tuple[Object, SeenRun]] = {}
        self._attempts: dict[RunKey, dict[str, _Read]] = {}

    def run(self, key: RunKey, found: Object) -> SeenRun:
        """Return a run object, read."""
        known = self._runs.get(key)
        if known is not None and known[0] is found:
            return known[1]
        seen = seen_run(found)
        self._runs[key] = (found, seen)
        return seen

    def attempts(
        self,
        key: RunKey,
        jobs: Iterable[Object],
        pods: Iterable[Object],
        progress: Mapping[str, Heard],
        waits: Mapping[str, Wait],
    ) -> tuple[Attempt, ...]:
        """Return the attempts of a run; the very same ones where nothing has changed."""
        by_job: dict[str, list[Object]] = {}
        for pod in pods:
            for owner in pod["metadata"].get("ownerReferences", ()):
                by_job.setdefault(owner["uid"], []).append(pod)
        known, read = self._attempts.get(key, {}), dict[str, _Read]()
        probes = []
        for job in jobs:
            if is_probe(job):
                probes.append(job)
                continue
            uid = job["metadata"]["uid"]
            own = by_job.get(uid, [])
            versions = [found["metadata"]["resourceVersion"] for found in (job, *own)]
            source = (*versions, progress.get(uid), waits.get(uid))
            before = known.get(uid)
            if before is not None and before[0] == source:
                read[uid] = before
            else:
                read[uid] = (source, attempts_of([job], own, progress, waits))
        self._attempts[key] = read
        found = (attempt for _, attempts in read.values() for attempt in attempts)
        return with_probes(found, probes, by_job, waits)

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a run that is gone."""
        self._runs.pop(key, None)
        self._attempts.pop(key, None)
