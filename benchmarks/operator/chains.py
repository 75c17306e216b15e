"""What became of chains of stages, worked out from the writes to their Jobs and pods. Pure.

A chain is what a run is for the API server: a Job, and when its pod has succeeded the next one. Job
names are those that the operator gives: `<run>-<8 of its uid>-<stage>-<attempt>`.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.operator.audit import Write
from tests.quickstart import STAGES

_JOB_NAME: Final = re.compile(
    rf"(?P<chain>.+)-[0-9a-f]{{8}}-(?P<stage>{'|'.join(STAGES)})-(?P<attempt>\d+)"
)


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A stage of a chain."""

    chain: str
    """Name of the run."""
    position: int
    """Of the stage, from 0."""


@dataclass(frozen=True, slots=True)
class Transition:
    """From one stage of a chain to the next."""

    after: Link
    succeeded_at: float
    """When the API server had answered the kubelet's last word on the pod of the earlier stage."""
    completed_at: float | None
    """The same of the Job controller's last word on its Job; None if it has not said any."""
    created_at: float
    """When the API server had created the Job of the later one."""


def link_of(job_name: str) -> Link | None:
    """Return which stage a Job of first attempts is of; None if it is of none."""
    found = _JOB_NAME.fullmatch(job_name)
    if found is None or found["attempt"] != "1":
        return None
    return Link(found["chain"], STAGES.index(found["stage"]))


def created_jobs(writes: Iterable[Write]) -> dict[Link, float]:
    """Return when the Job of each stage was created."""
    return {
        link: write.at
        for write in writes
        if write.resource == "jobs" and write.verb == "create" and write.is_granted
        if (link := link_of(write.name)) is not None
    }


def transitions(writes: Sequence[Write], kubelet: str) -> list[Transition]:
    """Return every transition whose later Job was created, in the order of that.

    Args:
        writes: All of them.
        kubelet: The kubelet's user name. Others write to the status of a pod, too.

    Raises:
        ValueError: The kubelet has said nothing of the pod of a stage that was followed by another.
    """
    created = created_jobs(writes)
    succeeded: dict[Link, float] = {}
    completed: dict[Link, float] = {}
    for write in writes:
        if write.resource == "pods/status" and write.user == kubelet and write.is_granted:
            link = link_of(_job_of(write.name))
            if link is not None:
                succeeded[link] = write.at
        elif write.resource == "jobs/status" and write.is_granted:
            link = link_of(write.name)
            if link is not None:
                completed[link] = write.at
    found = []
    for link, at in created.items():
        before = Link(link.chain, link.position - 1)
        if before in created:
            if before not in succeeded:
                msg = f"{link.chain}: its next Job came before a word on the pod of {before}"
                raise ValueError(msg)
            found.append(Transition(before, succeeded[before], completed.get(before), at))
    return sorted(found, key=lambda transition: transition.created_at)


def percentile(values: Iterable[float], fraction: float) -> float:
    """Return the smallest value that at least this fraction of them does not exceed.

    Raises:
        ValueError: There are none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def _job_of(pod_name: str) -> str:
    """Return the Job of a pod `<job>-<index>-<random>`."""
    return pod_name.rsplit("-", 2)[0]
