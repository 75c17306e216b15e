"""What is recorded about each stage of a run, by stage id."""

from collections.abc import Iterable, Mapping
from typing import Final

from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.status import MAX_MESSAGE, RunStatus, StageState, StageStatus
from steerlm_operator.core.graph import Stage, StageId

Records = Mapping[StageId, StageStatus]
DONE: Final = frozenset({StageState.SUCCEEDED, StageState.CACHED})
IN_FLIGHT: Final = frozenset({StageState.QUEUED, StageState.RUNNING})
_GIVEN_UP: Final = frozenset({StageState.FAILED, StageState.CANCELLED})


def recorded(status: RunStatus | None, graph: tuple[Stage, ...]) -> Records:
    """Return the record of each stage of the graph; Pending where there is none."""
    known = {} if status is None else {record.name: record for record in status.stages}
    return {
        stage.id: known.get(stage.id, StageStatus(name=stage.id, state=StageState.PENDING))
        for stage in graph
    }


def with_record(records: Records, record: StageStatus) -> Records:
    """Replace one record."""
    return {**records, StageId(record.name): record}


def fitting(message: str) -> str:
    """Return a message as long as a record may hold: its beginning, where it is longer."""
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 4]} ..."


def in_words(progress: Progress) -> str:
    """Return how far an attempt is: `12/40 steps`."""
    return f"{progress.done}/{progress.total or '?'} {progress.unit}"


def reset(record: StageStatus, *, keeps_budget: bool = False) -> StageStatus:
    """Return the record of a stage that is to be looked at anew.

    The attempt stays: its number is never used again.
    """
    fresh = StageStatus(name=record.name, state=StageState.PENDING, attempt=record.attempt)
    if not keeps_budget:  # of its failures nothing is known any more when it is begun again
        return fresh.model_copy(update={"retries": retries_with_next(record)})
    return fresh.model_copy(
        update={
            "retries": record.retries,
            "failures": record.failures,
            "disruptions": record.disruptions,
            "checkpoint_step": record.checkpoint_step,
            "last_failures": record.last_failures,
        }
    )


def retries_with_next(record: StageStatus) -> int:
    """Return the retries of a stage once it is begun again: one more if its attempt went wrong.

    What we stopped, for a suspend say, did not.
    """
    went_wrong = any(failure.attempt == record.attempt for failure in record.last_failures)
    return record.retries + went_wrong


def has_ended(records: Iterable[StageStatus]) -> bool:
    """Return True if no stage of the run will be run any more."""
    states = [record.state for record in records]
    return any(state in _GIVEN_UP for state in states) or all(state in DONE for state in states)
