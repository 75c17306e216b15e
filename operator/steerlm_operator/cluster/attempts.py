"""From Jobs and pods as the server has them to attempts as the planner knows them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from steerlm_jobs.contract.errors import NEVER_RETRIED, ExitCode
from steerlm_jobs.contract.report import Progress, Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.cluster.api import Object
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Wait
from steerlm_operator.render.names import ATTEMPT_LABEL, STAGE_LABEL

_INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"
_JOB_LABEL: Final = "batch.kubernetes.io/job-name"
_NOT_PULLED: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName"})
_MAX_MESSAGE: Final = 500
_KILLED: Final = (137, 143)
_SHARD_SPENT: Final = frozenset({"MaxFailedIndexesExceeded", "FailedIndexes"})
"""Reasons of a failed Job whose `backoffLimitPerIndex` is used up."""


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


def attempts_of(
    jobs: Iterable[Object],
    pods: Iterable[Object],
    progress: dict[str, tuple[Progress, datetime]],
    waits: Mapping[str, Wait] = MappingProxyType({}),
) -> tuple[Attempt, ...]:
    """Return the attempts of a run.

    Args:
        jobs: The Jobs of the run.
        pods: Its pods.
        progress: What was read last from an attempt, and when it last changed, by Job uid.
        waits: What Events say the pods of a Job wait for, by its uid.
    """
    by_job: dict[str, list[Object]] = {}
    for pod in pods:
        by_job.setdefault(_owner_uid(pod), []).append(pod)
    found = []
    for job in jobs:
        labels = job["metadata"].get("labels", {})
        stage, number = labels.get(STAGE_LABEL, ""), labels.get(ATTEMPT_LABEL, "")
        if stage and number.isdigit():
            uid = job["metadata"]["uid"]
            found.append(
                _attempt(StageId(stage), int(number), job, by_job.get(uid, []), progress.get(uid))
            )
    return tuple(
        replace(attempt, waits_for=waits.get(attempt.uid))
        if attempt.started_at is None and attempt.waits_for is None
        else attempt
        for attempt in found
    )


def _attempt(
    stage: StageId,
    number: int,
    job: Object,
    pods: Sequence[Object],
    progress: tuple[Progress, datetime] | None,
) -> Attempt:
    uid = job["metadata"]["uid"]
    ends = [end for pod in pods if (end := pod_end(pod)) is not None]
    stuck = min((pod for pod in pods if grace_over_at(pod)), key=_by_grace, default=None)
    active = Attempt(
        stage,
        number,
        AttemptState.ACTIVE,
        uid=uid,
        job_name=job["metadata"]["name"],
        node=_node(pods),
        created_at=_time(
            job.get("status", {}).get("startTime") or job["metadata"].get("creationTimestamp")
        ),
        is_held=bool(job["spec"].get("suspend")),
        waits_for=waits_for(pods),
        silent_node=next((_node([pod]) for pod in pods if _is_silent(pod)), ""),
        stuck_since=None if stuck is None else grace_over_at(stuck),
        stuck_node="" if stuck is None else _node([stuck]),
        started_at=_started_at(pods),
        progress=progress[0] if progress else None,
        progressed_at=progress[1] if progress else None,
    )
    good = _succeeded(job, ends)
    if good is not None:
        return _ended(active, ExitCode.OK, good, _last(ends))
    if _condition(job, "Complete") is not None and len(ends) == len(pods):
        ended_at = _time(job["status"].get("completionTime"))
        return replace(active, state=AttemptState.SILENT, ended_at=ended_at)
    failed = _condition(job, "Failed")
    if failed is None:
        return active
    if failed.get("reason") in _SHARD_SPENT:
        active, ends = replace(active, has_spent_shard=True), _counted_of(ends)
    worst = _worst(ends)
    if worst is None:
        return _ended(active, None, None, None)
    if worst.is_disrupted and worst.exit_code not in NEVER_RETRIED:
        return _ended(active, ExitCode.INTERRUPTED, worst.report, worst)
    return _ended(active, worst.exit_code, worst.report, worst)


def _ended(active: Attempt, code: int | None, report: Report | None, end: PodEnd | None) -> Attempt:
    state = AttemptState.LOST if code is None else AttemptState.ENDED
    message = "" if end is None else end.message
    if report is None and message and code:
        report = Report(exit_code=ExitCode.BUG, message=message)
    return Attempt(
        active.stage,
        active.number,
        state,
        uid=active.uid,
        job_name=active.job_name,
        node=active.node,
        exit_code=code,
        has_spent_shard=active.has_spent_shard,
        is_out_of_memory=end is not None and end.is_out_of_memory,
        report=report,
        progress=active.progress,
        progressed_at=active.progressed_at,
        created_at=active.created_at,
        started_at=active.started_at,
        ended_at=None if end is None else end.ended_at,
    )


def _succeeded(job: Object, ends: Sequence[PodEnd]) -> Report | None:
    """Return the sealed report if a pod of every index has succeeded.

    The Job says so itself about a second later: its controller works in batches.
    """
    good = [end for end in ends if end.exit_code == ExitCode.OK]
    wanted = range(job["spec"].get("completions", 1))
    if not {end.index for end in good}.issuperset(wanted):
        return None
    return next((e.report for e in good if e.report is not None and e.report.digest), None)


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
        index=_index(pod),
        exit_code=int(ended["exitCode"]),
        report=report,
        message=report.message if report is not None else _last_line(text),
        ended_at=_time(ended.get("finishedAt")),
        is_disrupted=is_disrupted,
        is_out_of_memory=ended.get("reason") == "OOMKilled",
    )


def grace_over_at(pod: Object) -> datetime | None:
    """Return when the grace of a pod is over that was told to end and has not; else None.

    A server marks a pod that is deleted with the time at which its grace ends.
    """
    return None if pod_end(pod) is not None else _time(pod["metadata"].get("deletionTimestamp"))


def _by_grace(pod: Object) -> str:
    return str(pod["metadata"]["deletionTimestamp"])


def _is_silent(pod: Object) -> bool:
    """Return True if the cluster has given up on hearing of a pod that was running.

    Its container is ready as far as its kubelet has said; that the pod is not, says the controller
    of nodes, when a node has not answered for some time.
    """
    status = pod.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    containers = status.get("containerStatuses", [])
    is_running = any(c.get("ready") and "running" in c.get("state", {}) for c in containers)
    return is_running and conditions.get("Ready") == "False"


def _worst(ends: Sequence[PodEnd]) -> PodEnd | None:
    """Return the end that explains the attempt's.

    A gang is killed when one of its pods ends, so those that were killed explain nothing.
    """
    bad = [end for end in ends if end.exit_code != ExitCode.OK]
    if not bad:
        return None

    def order(end: PodEnd) -> tuple[int, str]:
        if end.exit_code in NEVER_RETRIED:
            rank = 0
        elif end.is_disrupted:
            rank = 1
        elif end.exit_code in _KILLED and not end.is_out_of_memory:
            rank = 4
        elif end.exit_code == ExitCode.INTERRUPTED:
            rank = 3
        else:
            rank = 2
        return rank, end.ended_at.isoformat() if end.ended_at else "~"

    return min(bad, key=order)


def _counted_of(ends: Sequence[PodEnd]) -> list[PodEnd]:
    """Return the ends that a Job holds against a shard: its podFailurePolicy ignores the others."""
    return [e for e in ends if not e.is_disrupted and e.exit_code != ExitCode.INTERRUPTED]


def _last(ends: Sequence[PodEnd]) -> PodEnd | None:
    dated = [end for end in ends if end.ended_at is not None]
    return max(dated, key=lambda end: str(end.ended_at), default=None)


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


def _started_at(pods: Iterable[Object]) -> datetime | None:
    """Return when the first container of the attempt started; None while all of them wait."""
    times = []
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            for state in ("running", "terminated"):
                at = _time(container.get("state", {}).get(state, {}).get("startedAt"))
                times += [at] if at is not None else []
    return min(times, default=None)


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


def _condition(job: Object, kind: str) -> dict[str, Any] | None:  # Any: JSON
    conditions = job.get("status", {}).get("conditions", [])
    found = (c for c in conditions if c["type"] == kind and c["status"] == "True")
    return next(found, None)


def _index(pod: Object) -> int:
    metadata = pod["metadata"]
    text = metadata.get("labels", {}).get(_INDEX_LABEL) or metadata.get("annotations", {}).get(
        _INDEX_LABEL, "0"
    )
    return int(text)


def _node(pods: Sequence[Object]) -> str:
    """Return where the pod of the lowest index is: the one whose report and progress count."""
    placed = [pod for pod in pods if pod.get("spec", {}).get("nodeName")]
    return str(min(placed, key=_index)["spec"]["nodeName"]) if placed else ""


def _owner_uid(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((o["uid"] for o in owners if o.get("controller")), "")


def _time(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
