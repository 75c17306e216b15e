"""The newest version of each object that was seen. An older one never replaces a newer one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from steerlm_operator.cluster.api import Listed, Object, Resource
from steerlm_operator.cluster.trimming import trimmed
from steerlm_operator.render.names import RUN_UID_LABEL

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """Which run."""

    namespace: str
    name: str

    @classmethod
    def of(cls, run: Object) -> Self:
        """Return the key of a run object."""
        return cls(run["metadata"]["namespace"], run["metadata"]["name"])


class Cache:
    """Runs by key; Jobs, pods and Deployments by the uid of their run."""

    def __init__(self) -> None:
        self._runs: dict[RunKey, Object] = {}
        self._keys: dict[str, RunKey] = {}
        self._owned: dict[tuple[Resource, str], dict[str, Object]] = {}

    def run(self, key: RunKey) -> Object | None:
        """Return a run; None if there is none."""
        return self._runs.get(key)

    def num_runs(self) -> int:
        """Return how many runs there are."""
        return len(self._runs)

    def keys(self) -> Iterator[RunKey]:
        """Yield the keys of all runs."""
        return iter(tuple(self._runs))

    def owned(self, resource: Resource, run_uid: str) -> tuple[Object, ...]:
        """Return the Jobs, pods or Deployments of a run."""
        return tuple(self._owned.get((resource, run_uid), {}).values())

    def key_of(self, run_uid: str) -> RunKey | None:
        """Return the key of the run of this uid."""
        return self._keys.get(run_uid)

    def observe(self, resource: Resource, found: Object, *, is_gone: bool = False) -> RunKey | None:
        """Remember an object, or that it is gone; return the key of its run, if that is known."""
        found = trimmed(resource, found)
        if resource is Resource.RUNS:
            return self._observe_run(found, is_gone=is_gone)
        uid = found["metadata"].get("labels", {}).get(RUN_UID_LABEL, "")
        objects = self._owned.setdefault((resource, uid), {})
        self._replace(objects, found["metadata"]["name"], found, is_gone=is_gone)
        if not objects:
            del self._owned[resource, uid]
        return self._keys.get(uid)

    def replace_all(self, resource: Resource, listed: Listed) -> set[RunKey]:
        """Make the cache equal to a list; return the runs for which something may differ.

        kopf says nothing of what vanished while its watch was broken. What was made after the list
        was taken is not missing from it.
        """
        present = {item["metadata"]["uid"] for item in listed.items}
        changed: set[RunKey] = set()
        for item in self.every(resource):
            is_missing = item["metadata"]["uid"] not in present
            if is_missing and _version(item) <= listed.version:
                key = self.observe(resource, item, is_gone=True)
                changed |= {key} if key else set()
        for item in listed.items:
            key = self.observe(resource, item)
            changed |= {key} if key else set()
        return changed

    def every(self, resource: Resource) -> list[Object]:
        """Return all objects of a kind."""
        if resource is Resource.RUNS:
            return list(self._runs.values())
        return [o for (r, _), of in self._owned.items() if r is resource for o in of.values()]

    def _observe_run(self, run: Object, *, is_gone: bool) -> RunKey:
        key = RunKey.of(run)
        self._replace(self._runs, key, run, is_gone=is_gone)
        if key in self._runs:
            self._keys[self._runs[key]["metadata"]["uid"]] = key
        else:
            self._keys.pop(run["metadata"]["uid"], None)
        return key

    @staticmethod
    def _replace(objects: dict[_Key, Object], key: _Key, found: Object, *, is_gone: bool) -> None:
        known = objects.get(key)
        if known is not None and _version(known) > _version(found):
            same = known["metadata"]["uid"] == found["metadata"]["uid"]
            if not (is_gone and same):
                return
        if is_gone:
            if known is not None and known["metadata"]["uid"] == found["metadata"]["uid"]:
                del objects[key]
            return
        objects[key] = found


def _version(found: Object) -> int:
    """Return a number that grows: resource versions can be compared since Kubernetes 1.35."""
    return int(found["metadata"].get("resourceVersion", "0"))
