"""What a pod of an attempt says: how it ended, where it is, what it waits for. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from steerlm_jobs.contract.report import Progress, Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.cluster.api import Object
from steerlm_operator.core.observed import Wait

INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"
"""Of a pod of an Indexed Job; only an annotation of that name before Kubernetes 1.28."""
_NOT_PULLED: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName"})
_MAX_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """What this process knows of an attempt's progress since it last asked a pod for it."""

    pod: str
    """Uid of the pod that was asked."""
    asked_at: datetime
    """When it was asked last, whether it answered or not."""
    still_since: datetime | None
    """Since when it has said nothing new; None: nobody has ever heard it."""
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod of an attempt ended."""

    index: int
    exit_code: int
    report: Report | None
    message: str
    ended_at: datetime | None
    is_disrupted: bool
    """The cluster took it: eviction, preemption, a lost node."""
    is_out_of_memory: bool


def pod_end(pod: Object) -> PodEnd | None:
    """Return how a pod ended; None while its container runs or waits."""
    status = pod.get("status", {})
    ended = _terminated(status)
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    is_disrupted = conditions.get("DisruptionTarget") == "True"
    if ended is None and status.get("phase") not in {"Failed", "Succeeded"}:
        return None
    if ended is None:  # evicted before it started, say
        ended = {"exitCode": 137, "message": status.get("message", "")}
    report = _report(ended.get("message", ""))
    text = ended.get("message", "")
    return PodEnd(
        index=index_of(pod),
        exit_code=int(ended["exitCode"]),
        report=report,
        message=report.message if report is not None else _last_line(text),
        ended_at=time_of(ended.get("finishedAt")),
        is_disrupted=is_disrupted,
        is_out_of_memory=ended.get("reason") == "OOMKilled",
    )


def grace_over_at(pod: Object) -> datetime | None:
    """Return when the grace of a pod is over that was told to end and has not; else None.

    A server marks a pod that is deleted with the time at which its grace ends.
    """
    return None if pod_end(pod) is not None else time_of(pod["metadata"].get("deletionTimestamp"))


def by_grace(pod: Object) -> str:
    """Return what orders pods that were told to end by the end of their grace."""
    return str(pod["metadata"]["deletionTimestamp"])


def is_silent(pod: Object) -> bool:
    """Return True if the cluster has given up on hearing of a pod that was running.

    Its container is ready as far as its kubelet has said; that the pod is not, says the controller
    of nodes, when a node has not answered for some time.
    """
    status = pod.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    containers = status.get("containerStatuses", [])
    is_running = any(c.get("ready") and "running" in c.get("state", {}) for c in containers)
    return is_running and conditions.get("Ready") == "False"


def _terminated(status: dict[str, Any]) -> dict[str, Any] | None:  # Any: JSON
    for container in status.get("containerStatuses", []):
        ended: dict[str, Any] | None = container.get("state", {}).get("terminated")
        if container.get("name") == "stage" and ended is not None:
            return ended
    return None


def _report(text: str) -> Report | None:
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def is_sharded(job: Object) -> bool:
    """Return True for a Job whose pods work each for itself; those of any other are a gang."""
    return "backoffLimitPerIndex" in job["spec"]


def started_at_of(job: Object, pods: Sequence[Object]) -> datetime | None:
    """Return when the attempt started to work; None while it waits.

    A gang works when all of its pods have started. Of shards one is enough; where none works any
    more and one waits, their Job waits again.
    """
    times = {index_of(pod): at for pod in pods if (at := container_started_at(pod)) is not None}
    if not is_sharded(job):
        is_complete = times.keys() >= set(range(job["spec"].get("completions", 1)))
        return max(times.values(), default=None) if is_complete else None
    works = any(container_started_at(pod) and pod_end(pod) is None for pod in pods)
    is_waiting = not works and any(_is_waiting(pod) for pod in pods)
    return None if is_waiting else min(times.values(), default=None)


def waits_since(job: Object, pods: Sequence[Object]) -> datetime | None:
    """Return since when an attempt has waited for the pods that wait now; None: none does.

    It does not count how long another worked, on the only node there is, say.
    """
    if not any(_is_waiting(pod) for pod in pods):
        return None
    ends = (pod_end(pod) for pod in pods)
    times = [end.ended_at for end in ends if end is not None]
    times += [time_of(p["metadata"].get("creationTimestamp")) for p in pods if _is_waiting(p)]
    times.append(created_at_of(job))
    return max((at for at in times if at is not None), default=None)


def created_at_of(job: Object) -> datetime | None:
    """Return when a Job was created, or last let go by its queue."""
    started = job.get("status", {}).get("startTime")
    return time_of(started or job["metadata"].get("creationTimestamp"))


def _is_waiting(pod: Object) -> bool:
    return container_started_at(pod) is None and pod_end(pod) is None


def container_started_at(pod: Object) -> datetime | None:
    """Return when a pod's container started; None while it waits."""
    for container in pod.get("status", {}).get("containerStatuses", []):
        for state in ("running", "terminated"):
            at = time_of(container.get("state", {}).get(state, {}).get("startedAt"))
            if at is not None:
                return at
    return None


def waits_for(pods: Iterable[Object]) -> Wait | None:
    """Return why a pod does not start, as its own status says it."""
    for pod in pods:
        status = pod.get("status", {})
        for condition in status.get("conditions", []):
            if condition.get("reason") == "Unschedulable" and condition["status"] == "False":
                return Wait(Reason.UNSCHEDULABLE, condition.get("message", "")[:_MAX_MESSAGE])
        for container in status.get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _NOT_PULLED:
                message = f"{container.get('image', '')}: {waiting.get('message', '')}"
                return Wait(Reason.IMAGE_NOT_PULLED, message[:_MAX_MESSAGE])
    return None


def index_of(pod: Object) -> int:
    """Return which pod of its Job it is, from 0."""
    metadata = pod["metadata"]
    text = metadata.get("labels", {}).get(INDEX_LABEL) or metadata.get("annotations", {}).get(
        INDEX_LABEL, "0"
    )
    return int(text)


def node_of(pods: Sequence[Object]) -> str:
    """Return where the pod of the lowest index is: the one whose report and progress count."""
    placed = [pod for pod in pods if pod.get("spec", {}).get("nodeName")]
    return str(min(placed, key=index_of)["spec"]["nodeName"]) if placed else ""


def time_of(text: str | None) -> datetime | None:
    """Return a time as the server writes it; None for none."""
    return None if not text else datetime.fromisoformat(text)
