"""An API server, controllers and a kubelet in memory, behind the operator's own Protocol.

Time passes when a test says so. Every call can be the operator's last: see `Killed`.
tests/cluster/test_kube_api.py holds it and the real API server to the same claims.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Report
from steerlm_operator.api.status import RunStatus
from steerlm_operator.cluster.api import ApiRefusedError, Listed, Object, Resource
from steerlm_operator.cluster.shell import WATCHED
from steerlm_operator.cluster.trimming import trimmed
from steerlm_operator.render.names import CONFIG_ANNOTATION
from tests.scenario.world import a_success

Watcher = Callable[[Resource, Object, bool], None]
"""Called with each object that changes, and with True if it is gone."""
Work = Callable[[StageConfig], tuple[int, Report | None]]
"""What a stage program does: exit code, and the report it leaves."""


class Killed(BaseException):
    """SIGKILL of the operator, in the middle of a call."""


def succeed(config: StageConfig) -> tuple[int, Report | None]:
    return 0, a_success(config)


class MemoryCluster:
    """Objects by kind, namespace and name; a version for each change, as the real one has."""

    def __init__(self, work: Work = succeed) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.created: list[tuple[Resource, str]] = []
        self.writes: list[tuple[str, Resource]] = []
        self.num_calls = 0
        self.kill_at: int | None = None
        """Which call is the operator's last, counted from 0."""
        self.is_applied_before_kill = False
        self.watchers: list[Watcher] = []
        self.statuses: list[Object] = []
        """Each status that was written to a run."""
        self.refusals = 0
        """How many Jobs a quota refuses."""
        self.has_nodes = True
        self.node = "gpu-0"
        """Where pods are placed."""
        self.lost_nodes: set[str] = set()
        """Their pods do nothing any more, and never say that they have ended."""
        self.refuses_deployments = False
        """True: an admission rule is against them."""
        self._work = work
        self._version = 0
        self._objects: dict[tuple[Resource, str, str], Object] = {}

    def clock(self) -> datetime:
        return self.now

    def add_run(self, document: Object) -> Object:
        body = deepcopy(document)
        body["metadata"].setdefault("namespace", "default")
        return self.add(Resource.RUNS, body)

    def change_spec(self, name: str, **fields: Any) -> None:
        run = self.object(Resource.RUNS, name)
        run["spec"].update(fields)
        run["metadata"]["generation"] += 1
        self._touch(Resource.RUNS, run)

    def object(self, resource: Resource, name: str) -> Object:
        return self._objects[resource, "default", name]

    def objects(self, resource: Resource) -> list[Object]:
        return [found for (kind, _, _), found in self._objects.items() if kind is resource]

    def tick(self, seconds: float = 1.0) -> None:
        """Let the controllers, the kubelet and the garbage collector do one thing each."""
        self.now += timedelta(seconds=seconds)
        self._collect()
        for job in self.objects(Resource.JOBS):
            pods = [p for p in self.objects(Resource.PODS) if _owner(p) == job["metadata"]["uid"]]
            if "deletionTimestamp" in job["metadata"]:
                continue
            if self._is_overdue(job):
                self._end_overdue(job, pods)
            elif not self.has_nodes:
                continue
            elif not pods and not job["status"].get("conditions"):
                self._start_pods(job)
            elif any(pod["spec"]["nodeName"] in self.lost_nodes for pod in pods):
                continue
            elif any(pod["status"]["phase"] == "Running" for pod in pods):
                self._end_pods(job, pods)
        for deployment in self.objects(Resource.DEPLOYMENTS):
            if self.has_nodes and "deletionTimestamp" not in deployment["metadata"]:
                self._roll_out(deployment)

    async def list_all(self, resource: Resource, label_selector: str = "") -> Listed:
        wanted = dict(term.split("=") for term in label_selector.split(",") if term)

        def chosen() -> list[Object]:
            return [
                trimmed(resource, found)
                for found in self.objects(resource)
                if wanted.items() <= found["metadata"].get("labels", {}).items()
            ]

        return await self._call(lambda: Listed(deepcopy(chosen()), self._version))

    async def events_about(self, namespace: str, uid: str) -> list[Object]:
        del namespace
        about = (e for e in self.objects(Resource.EVENTS) if e["involvedObject"]["uid"] == uid)
        return await self._call(lambda: deepcopy(list(about)))

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        def create() -> Object:
            new = deepcopy(body)
            new["metadata"]["namespace"] = namespace
            if "generateName" in new["metadata"]:
                new["metadata"]["name"] = f"{new['metadata']['generateName']}{self._version}"
            _check(resource, new)
            if (resource, namespace, new["metadata"]["name"]) in self._objects:
                raise ApiRefusedError(409, "AlreadyExists", new["metadata"]["name"])
            if resource is Resource.JOBS and self.refusals:
                self.refusals -= 1
                raise ApiRefusedError(403, "Forbidden", "exceeded quota: jobs")
            self.writes.append(("create", resource))
            if resource is not Resource.EVENTS:
                self.created.append((resource, new["metadata"]["name"]))
            return deepcopy(self.add(resource, new))

        return await self._call(create)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        uid: str,
        *,
        grace_seconds: int | None = None,
    ) -> None:
        def delete() -> None:
            found = self._objects.get((resource, namespace, name))
            if found is None or found["metadata"]["uid"] != uid:
                return
            self._mark(resource, found)
            if grace_seconds is not None:
                found["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
                self._touch(resource, found)

        await self._call(delete)

    async def apply_status(self, namespace: str, body: Object) -> Object:
        def apply() -> Object:
            name, version = body["metadata"]["name"], body["metadata"]["resourceVersion"]
            run = self._objects.get((Resource.RUNS, namespace, name))
            if run is None:
                raise ApiRefusedError(404, "NotFound", name)
            if run["metadata"]["resourceVersion"] != version:
                raise ApiRefusedError(409, "Conflict", name)
            try:
                RunStatus.model_validate(body["status"])
            except ValidationError as error:
                raise ApiRefusedError(422, "Invalid", str(error)) from None
            self.writes.append(("apply", Resource.RUNS))
            status = json.loads(json.dumps(body["status"]))
            self.statuses.append(status)
            if run["status"] != status:
                run["status"] = status
                self._touch(Resource.RUNS, run)
            return deepcopy(run)

        return await self._call(apply)

    async def apply(self, resource: Resource, namespace: str, body: Object) -> Object:
        def apply() -> Object:
            name = body["metadata"]["name"]
            if self.refuses_deployments:
                raise ApiRefusedError(403, "Forbidden", "exceeded quota: pods")
            self.writes.append(("apply", resource))
            found = self._objects.get((resource, namespace, name))
            if found is None:
                new = deepcopy(body)
                new["metadata"]["namespace"] = namespace
                return deepcopy(self.add(resource, new))
            metadata = {**found["metadata"], **deepcopy(body["metadata"])}
            metadata["generation"] += found["spec"] != body["spec"]
            if (found["spec"], found["metadata"]) != (body["spec"], metadata):
                found["spec"], found["metadata"] = deepcopy(body["spec"]), metadata
                self._touch(resource, found)
            return deepcopy(found)

        return await self._call(apply)

    async def _call(self, answer: Callable[[], Any]) -> Any:
        number, self.num_calls = self.num_calls, self.num_calls + 1
        if number == self.kill_at:
            if self.is_applied_before_kill:
                answer()
            raise Killed
        return answer()

    def _mark(self, resource: Resource, found: Object) -> None:
        """Begin the end of an object and of all that it owns; `_collect` ends it."""
        if "deletionTimestamp" in found["metadata"]:
            return
        found["metadata"]["deletionTimestamp"] = _text(self.now)
        self._touch(resource, found)
        for kind, owned in self._owned_by(found):
            self._mark(kind, owned)

    def _collect(self) -> None:
        """Remove what was deleted: what is owned goes before its owner."""
        for resource in reversed(Resource):  # pods, Jobs, runs
            for found in self.objects(resource):
                is_ending = "deletionTimestamp" in found["metadata"] and not self._is_stuck(found)
                if is_ending and not self._owned_by(found):
                    self._remove(resource, found)

    def _is_stuck(self, found: Object) -> bool:
        is_lost = found.get("spec", {}).get("nodeName") in self.lost_nodes
        return is_lost and found["metadata"].get("deletionGracePeriodSeconds") != 0

    def lose(self, node: str) -> None:
        """Let a node stop to answer; the controller of nodes says so of its pods."""
        self.lost_nodes.add(node)
        for pod in self.objects(Resource.PODS):
            if pod["spec"]["nodeName"] == node:
                pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
                self._touch(Resource.PODS, pod)

    def _owned_by(self, owner: Object) -> list[tuple[Resource, Object]]:
        uid = owner["metadata"]["uid"]
        return [(kind, o) for (kind, _, _), o in self._objects.items() if _owner(o) == uid]

    def _remove(self, resource: Resource, found: Object) -> None:
        del self._objects[resource, found["metadata"]["namespace"], found["metadata"]["name"]]
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        self._tell(resource, found, is_gone=True)

    def add(self, resource: Resource, body: Object) -> Object:
        metadata = body["metadata"]
        metadata.setdefault("uid", f"{self._version:08d}-uid")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", _text(self.now))
        body.setdefault("status", {})
        self._objects[resource, metadata["namespace"], metadata["name"]] = body
        self._touch(resource, body)
        return body

    def _touch(self, resource: Resource, found: Object) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        self._tell(resource, found)

    def _tell(self, resource: Resource, found: Object, *, is_gone: bool = False) -> None:
        if resource in WATCHED:
            for watcher in self.watchers:
                watcher(resource, deepcopy(found), is_gone)

    def _roll_out(self, deployment: Object) -> None:
        """Make all pods of a Deployment ready, in one step."""
        replicas = deployment["spec"]["replicas"]
        counts = ("replicas", "updatedReplicas", "readyReplicas")
        generation = deployment["metadata"]["generation"]
        status = {"observedGeneration": generation, **dict.fromkeys(counts, replicas)}
        if deployment["status"] != status:
            deployment["status"] = status
            self._touch(Resource.DEPLOYMENTS, deployment)

    def stall(self, deployment: Object) -> None:
        """Let the rollout of a Deployment take longer than it may."""
        reason = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": deployment["spec"]["replicas"],
            "conditions": [reason],
        }
        self._touch(Resource.DEPLOYMENTS, deployment)

    def _start_pods(self, job: Object) -> None:
        for index in range(job["spec"]["completions"]):
            template = job["spec"]["template"]
            started = {"running": {"startedAt": _text(self.now)}}
            pod = {
                "metadata": {
                    "name": f"{job['metadata']['name']}-{index}",
                    "namespace": job["metadata"]["namespace"],
                    "labels": {
                        **template["metadata"]["labels"],
                        "batch.kubernetes.io/job-completion-index": str(index),
                    },
                    "annotations": template["metadata"]["annotations"],
                    "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
                },
                "spec": {"nodeName": template["spec"].get("nodeName", self.node)},
            }
            pod["status"] = {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "stage", "ready": True, "state": started}],
            }
            self.add(Resource.PODS, pod)

    def _is_overdue(self, job: Object) -> bool:
        seconds = job["spec"].get("activeDeadlineSeconds")
        age = self.now - datetime.fromisoformat(job["metadata"]["creationTimestamp"])
        has_ended = bool(job["status"].get("conditions"))
        return seconds is not None and not has_ended and age >= timedelta(seconds=seconds)

    def _end_overdue(self, job: Object, pods: list[Object]) -> None:
        """End a Job after its time: its controller deletes the pods, and says so."""
        for pod in pods:
            self._mark(Resource.PODS, pod)
        job["status"]["conditions"] = [
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
        ]
        self._touch(Resource.JOBS, job)

    def _end_pods(self, job: Object, pods: list[Object]) -> None:
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        code, report = self._work(StageConfig.model_validate_json(annotations[CONFIG_ANNOTATION]))
        for pod in pods:
            ended = {
                "exitCode": code,
                "message": "" if report is None else report.model_dump_json(by_alias=True),
                "startedAt": _text(self.now - timedelta(seconds=1)),
                "finishedAt": _text(self.now),
            }
            pod["status"]["phase"] = "Failed" if code else "Succeeded"
            pod["status"]["containerStatuses"][0]["state"] = {"terminated": ended}
            self._touch(Resource.PODS, pod)
        kind = "Failed" if code else "Complete"
        if kind == "Complete":
            job["status"]["completionTime"] = _text(self.now)
        job["status"]["conditions"] = [{"type": kind, "status": "True"}]
        self._touch(Resource.JOBS, job)


def _owner(found: Object) -> str:
    owners = found["metadata"].get("ownerReferences") or [{"uid": ""}]
    return str(owners[0]["uid"])


def _check(resource: Resource, body: Object) -> None:
    """Refuse what every API server refuses.

    Raises:
        ApiRefusedError: The name is none, or a Job has no containers.
    """
    name = body["metadata"]["name"]
    if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", name):
        raise ApiRefusedError(422, "Invalid", f"metadata.name: {name}")
    if resource is Resource.JOBS:
        template = body["spec"].get("template", {})
        if not template.get("spec", {}).get("containers"):
            raise ApiRefusedError(422, "Invalid", "spec.template.spec.containers: Required value")


def _text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
