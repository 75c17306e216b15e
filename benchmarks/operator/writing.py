"""The operator's writes, in the three classes of the design, a transition. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from benchmarks.operator.audit import Write
from benchmarks.operator.chains import Link, created, link_of

_STATUS: Final = "steerlmruns/status"
_OF_PROGRESS: Final = frozenset({"progress", "eta"})
Json = dict[str, Any]  # Any: JSON


class WriteClass(StrEnum):
    """What a write is for."""

    OBJECTS = "objects"
    """All but the other two: Jobs, and statuses that say more than progress."""
    EVENTS = "events"
    PROGRESS = "progress"
    """A status that differs from the one before in nothing but progress."""


@dataclass(frozen=True, slots=True)
class WriteRates:
    """How much is written a transition: from a run's first Job created to its last one."""

    objects: float
    events: float


def classified(writes: Iterable[Write], user: str) -> list[tuple[WriteClass, Write]]:
    """Return what a user wrote, and what for; refused writes too: they cost the server as much.

    Args:
        writes: In order, with the bodies of the user's Events and statuses.
        user: The operator's user name.
    """
    found = []
    statuses: dict[str, Json] = {}
    for write in writes:
        if write.user == user:
            found.append((_class_of(write, statuses.get(write.name)), write))
            if write.resource == _STATUS and write.is_granted and write.body is not None:
                statuses[write.name] = write.body["status"]
    return found


def write_rates(writes: Sequence[Write], user: str) -> WriteRates:
    """Return what a user writes a transition.

    Raises:
        ZeroDivisionError: There was none.
    """
    spans = _spans(created(writes))
    counts = Counter[WriteClass]()
    for kind, write in classified(writes, user):
        span = spans.get(_run_of(write))
        if span is not None and span.first < write.at <= span.last:
            counts[kind] += 1
    num_transitions = sum(span.num_transitions for span in spans.values())
    return WriteRates(
        objects=counts[WriteClass.OBJECTS] / num_transitions,
        events=counts[WriteClass.EVENTS] / num_transitions,
    )


def num_of_progress(writes: Iterable[Write], user: str, since: float, until: float) -> int:
    """Return how many writes told of progress alone, between two times."""
    return sum(
        kind is WriteClass.PROGRESS and since < write.at <= until
        for kind, write in classified(writes, user)
    )


def is_progress_alone(before: Json, after: Json) -> bool:
    """Return True if two statuses differ in the progress of their stages, and in nothing else."""
    return before != after and _without_progress(before) == _without_progress(after)


def _class_of(write: Write, status_before: Json | None) -> WriteClass:
    if write.resource == "events":
        return WriteClass.EVENTS
    if write.resource != _STATUS or status_before is None or write.body is None:
        return WriteClass.OBJECTS
    told = is_progress_alone(status_before, write.body["status"])
    return WriteClass.PROGRESS if told else WriteClass.OBJECTS


def _run_of(write: Write) -> str:
    """Return the run that a write is about; empty if that does not show."""
    if write.resource == "events":
        return "" if write.body is None else str(write.body["involvedObject"]["name"])
    link = link_of(write.name)
    return write.name if link is None else link.chain


@dataclass(frozen=True, slots=True)
class _Span:
    """While a run goes on."""

    first: float
    """When its first Job was created."""
    last: float
    num_transitions: int


def _spans(begun: Mapping[Link, float]) -> dict[str, _Span]:
    times: dict[str, list[float]] = {}
    for link, at in begun.items():
        times.setdefault(link.chain, []).append(at)
    return {chain: _Span(min(of), max(of), len(of) - 1) for chain, of in times.items()}


def _without_progress(status: Json) -> Json:
    stages = [
        {name: value for name, value in stage.items() if name not in _OF_PROGRESS}
        for stage in status.get("stages", [])
    ]
    return {**status, "stages": stages}
