"""The three classes of the operator's writes, as its benchmark counts them."""

from typing import Any

from benchmarks.operator.writing import (
    WriteClass,
    WriteRates,
    classified,
    is_progress_alone,
    num_of_progress,
    write_rates,
)
from tests.unit.benchmarks.operator_writes import (
    KUBELET,
    OPERATOR,
    a_job,
    a_status,
    a_write,
    an_event,
)


def a_stage(state: str = "Running", **more: Any) -> dict[str, Any]:
    return {"stages": [{"name": "prepare", "state": state, **more}]}


RUNNING = a_stage()
HALFWAY = a_stage(progress="5/10", eta="2026-01-01T00:00:00Z")
SUCCEEDED = a_stage("Succeeded", progress="10/10")
FIRST, SECOND = "r-0123abcd-prepare-1", "r-0123abcd-train-apm-1"


def classes(*told: Any) -> list[WriteClass]:
    return [kind for kind, _ in classified(told, OPERATOR)]


def test_a_status_that_differs_in_progress_alone_is_of_progress() -> None:
    assert is_progress_alone(RUNNING, HALFWAY)
    assert not is_progress_alone(HALFWAY, SUCCEEDED)
    assert not is_progress_alone(HALFWAY, {**HALFWAY, "phase": "Running"})


def test_a_status_that_says_nothing_new_is_not_of_progress() -> None:
    assert not is_progress_alone(HALFWAY, HALFWAY)


def test_each_write_is_of_one_class() -> None:
    assert classes(
        a_status(1, "r", RUNNING),
        an_event(2, "r"),
        a_status(3, "r", HALFWAY),
        a_job(4, FIRST),
        a_status(5, "r", SUCCEEDED),
    ) == [
        WriteClass.OBJECTS,
        WriteClass.EVENTS,
        WriteClass.PROGRESS,
        WriteClass.OBJECTS,
        WriteClass.OBJECTS,
    ]


def test_a_status_is_compared_with_the_last_one_of_its_run_that_was_granted() -> None:
    assert classes(
        a_status(1, "r", RUNNING),
        a_status(2, "other", SUCCEEDED),
        a_status(3, "r", SUCCEEDED, code=409),
        a_status(4, "r", HALFWAY),
    ) == [WriteClass.OBJECTS, WriteClass.OBJECTS, WriteClass.OBJECTS, WriteClass.PROGRESS]


def test_rates_are_of_the_time_between_the_first_job_and_the_last() -> None:
    told = [
        a_status(1, "r", RUNNING),
        a_job(2, FIRST),
        an_event(3, "r"),
        a_status(4, "r", SUCCEEDED),
        a_status(5, "r", SUCCEEDED, code=409),
        a_job(6, SECOND),
        an_event(7, "r"),
        an_event(7, "other"),
    ]
    assert write_rates(told, OPERATOR) == WriteRates(objects=3.0, events=1.0)


def test_writes_of_others_do_not_count() -> None:
    told = [
        a_job(1, FIRST),
        a_write(2, "patch", "pods/status", f"{FIRST}-0-abcde", user=KUBELET),
        a_write(2, "update", "jobs/status", FIRST),
        a_job(3, SECOND),
    ]
    assert write_rates(told, OPERATOR) == WriteRates(objects=1.0, events=0.0)


def test_progress_is_counted_between_two_times() -> None:
    more = a_stage(progress="6/10")
    told = [a_status(at, "r", said) for at, said in enumerate((RUNNING, HALFWAY, more, HALFWAY))]
    assert num_of_progress(told, OPERATOR, since=1, until=2) == 1
