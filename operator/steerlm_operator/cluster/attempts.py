"""From Jobs and pods as the server has them to attempts as the planner knows them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from steerlm_jobs.contract.errors import NEVER_RETRIED, ExitCode
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.pods import (
    Heard,
    PodEnd,
    by_grace,
    container_started_at,
    created_at_of,
    grace_over_at,
    is_silent,
    node_of,
    pod_end,
    started_at_of,
    time_of,
    waits_for,
    waits_since,
)
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Wait
from steerlm_operator.render.names import ATTEMPT_LABEL, QUEUE_LABEL, STAGE_LABEL

_JOB_LABEL: Final = "batch.kubernetes.io/job-name"
_KILLED: Final = (137, 143)
_SHARD_SPENT: Final = frozenset({"MaxFailedIndexesExceeded", "FailedIndexes"})
"""Reasons of a failed Job whose `backoffLimitPerIndex` is used up."""


def attempts_of(
    jobs: Iterable[Object],
    pods: Iterable[Object],
    progress: Mapping[str, Heard],
    waits: Mapping[str, Wait] = MappingProxyType({}),
) -> tuple[Attempt, ...]:
    """Return the attempts of a run.

    Args:
        jobs: The Jobs of the run.
        pods: Its pods.
        progress: What was heard of an attempt, by Job uid.
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
    heard: Heard | None,
) -> Attempt:
    uid = job["metadata"]["uid"]
    ends = [end for pod in pods if (end := pod_end(pod)) is not None]
    stuck = min((pod for pod in pods if grace_over_at(pod)), key=by_grace, default=None)
    active = Attempt(
        stage,
        number,
        AttemptState.ACTIVE,
        uid=uid,
        job_name=job["metadata"]["name"],
        node=node_of(pods),
        created_at=created_at_of(job),
        is_held=_is_held(job),
        waits_for=waits_for(pods),
        waits_since=waits_since(job, pods),
        silent_node=next((node_of([pod]) for pod in pods if is_silent(pod)), ""),
        stuck_since=None if stuck is None else grace_over_at(stuck),
        stuck_node="" if stuck is None else node_of([stuck]),
        started_at=started_at_of(job, _of_this_start(job, pods)),
        progress=heard.progress if heard else None,
        progressed_at=heard.still_since if heard else None,
        asked_at=heard.asked_at if heard else None,
    )
    good = _succeeded(job, ends)
    if good is not None:
        return _ended(active, ExitCode.OK, good, _last(ends))
    if _condition(job, "Complete") is not None and len(ends) == len(pods):
        ended_at = time_of(job["status"].get("completionTime"))
        return replace(active, state=AttemptState.SILENT, ended_at=ended_at)
    failed = _condition(job, "Failed")
    if failed is None:
        return active
    if not ends or len(ends) < len(pods):
        active = replace(active, failed_at=time_of(failed.get("lastTransitionTime")))
    if failed.get("reason") in _SHARD_SPENT:
        active, ends = replace(active, has_spent_shard=True), _counted_of(ends)
    worst = _worst(ends)
    if worst is None:
        return _ended(active, None, None, None)
    if worst.is_disrupted and worst.exit_code not in NEVER_RETRIED:
        return _ended(active, ExitCode.INTERRUPTED, worst.report, worst)
    return _ended(active, worst.exit_code, worst.report, worst)


def is_overdue(job: Object) -> bool:
    """Return True if a Job's controller ended it for its `activeDeadlineSeconds`."""
    failed = _condition(job, "Failed")
    return failed is not None and failed.get("reason") == "DeadlineExceeded"


def _is_held(job: Object) -> bool:
    """Return True while a queue holds a Job, until the Job's controller has let it go, too.

    A queue clears `spec.suspend`; that the Job has started, and when, is a later write of another.
    """
    if job["spec"].get("suspend") or _condition(job, "Suspended") is not None:
        return True
    is_of_queue = QUEUE_LABEL in job["metadata"].get("labels", {})
    return is_of_queue and not job.get("status", {}).get("startTime")


def _of_this_start(job: Object, pods: Sequence[Object]) -> list[Object]:
    """Return the pods without those that still end since a queue took their nodes.

    The Job may be let go again meanwhile. Clocks of nodes differ, so what is not told to end is
    never taken for one of those.
    """
    let_go_at = time_of(job.get("status", {}).get("startTime"))
    return [
        pod
        for pod in pods
        if let_go_at is None
        or "deletionTimestamp" not in pod["metadata"]
        or (container_started_at(pod) or let_go_at) >= let_go_at
    ]


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
        failed_at=active.failed_at,
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


def _condition(job: Object, kind: str) -> dict[str, Any] | None:  # Any: JSON
    conditions = job.get("status", {}).get("conditions", [])
    found = (c for c in conditions if c["type"] == kind and c["status"] == "True")
    return next(found, None)


def _owner_uid(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((o["uid"] for o in owners if o.get("controller")), "")
