"""What became of chains of stages, worked out from the writes to their Jobs and pods. Pure.

A chain is what a run is for the API server: a Job, and when its pod has succeeded the next one. Job
names are those that the operator gives: `<run>-<8 of its uid>-<stage>-<attempt>`. Argo Workflows
makes no Jobs but pods: `<Workflow>-<template>-<number>`, where templates are named as stages are.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from benchmarks.operator.audit import Write
from tests.quickstart import STAGES

_STAGE: Final = rf"(?P<stage>{'|'.join(STAGES)})"
_JOB_NAME: Final = re.compile(rf"(?P<chain>.+)-[0-9a-f]{{8}}-{_STAGE}-(?P<attempt>\d+)")
_STEP_NAME: Final = re.compile(rf"(?P<chain>.+)-{_STAGE}-\d+")


class Unit(StrEnum):
    """What is created for a stage by whoever advances its chain; the resource of that."""

    JOB = "jobs"
    POD = "pods"


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
    """When the API server had created the Job of the later one, or its pod if there are no Jobs."""
    bound_at: float | None = None
    """When the pod of the later one had its node; None if it has none. The same for every unit."""


def link_of(job_name: str) -> Link | None:
    """Return which stage a Job of first attempts is of; None if it is of none."""
    found = _JOB_NAME.fullmatch(job_name)
    if found is None or found["attempt"] != "1":
        return None
    return Link(found["chain"], STAGES.index(found["stage"]))


def link_of_pod(pod_name: str, unit: Unit = Unit.JOB) -> Link | None:
    """Return which stage a pod is of; None if it is of none, or not of a first attempt."""
    if unit is Unit.JOB:
        return link_of(pod_name.rsplit("-", 2)[0])  # <job>-<index>-<random>
    found = _STEP_NAME.fullmatch(pod_name)
    return None if found is None else Link(found["chain"], STAGES.index(found["stage"]))


def created(writes: Iterable[Write], unit: Unit = Unit.JOB) -> dict[Link, float]:
    """Return when the Job, or the pod, of each stage was created."""
    return {
        link: write.at
        for write in writes
        if write.resource == unit and write.verb == "create" and write.is_granted
        if (link := _link_of(unit, write)) is not None
    }


def transitions(writes: Sequence[Write], kubelet: str, unit: Unit = Unit.JOB) -> list[Transition]:
    """Return every transition whose later Job, or pod, was created, in the order of that.

    Args:
        writes: All of them.
        kubelet: The kubelet's user name. Others write to the status of a pod, too.
        unit: What is created for a stage.

    Raises:
        ValueError: The kubelet has said nothing of the pod of a stage that was followed by another.
    """
    begun = created(writes, unit)
    told = _Told.of(writes, kubelet, unit)
    found = []
    for link, at in begun.items():
        before = Link(link.chain, link.position - 1)
        if before in begun:
            if before not in told.succeeded:
                msg = f"{link.chain}: the next came before a word on the pod of {before}"
                raise ValueError(msg)
            completed_at, bound_at = told.completed.get(before), told.bound.get(link)
            found.append(Transition(before, told.succeeded[before], completed_at, at, bound_at))
    return sorted(found, key=lambda transition: transition.created_at)


@dataclass(frozen=True, slots=True)
class _Told:
    """When others than the contender had said their last word on a stage."""

    succeeded: dict[Link, float]
    completed: dict[Link, float]
    bound: dict[Link, float]

    @classmethod
    def of(cls, writes: Iterable[Write], kubelet: str, unit: Unit) -> "_Told":
        told = cls({}, {}, {})
        for write in writes:
            link = _link_of(unit, write) if write.is_granted else None
            if link is None:
                continue
            if write.resource == "pods/status" and write.user == kubelet:
                told.succeeded[link] = write.at
            elif write.resource == "jobs/status":
                told.completed[link] = write.at
            elif write.resource == "pods/binding":
                told.bound[link] = write.at
        return told


def _link_of(unit: Unit, write: Write) -> Link | None:
    """Return which stage a write is about; None if it is not about a Job or a pod of one."""
    kind = write.resource.partition("/")[0]
    if kind == "pods":
        return link_of_pod(write.name, unit)
    return link_of(write.name) if kind == "jobs" else None


def percentile(values: Iterable[float], fraction: float) -> float:
    """Return the smallest value that at least this fraction of them does not exceed.

    Raises:
        ValueError: There are none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
