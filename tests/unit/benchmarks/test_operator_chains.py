"""Transitions, as the benchmark of the operator works them out."""

import pytest

from benchmarks.operator.chains import Link, Transition, link_of, percentile, transitions
from tests.unit.benchmarks.operator_writes import CONTROLLER, KUBELET, a_job, a_write

PREPARE, TRAIN_APM = (f"r-1-0123abcd-{stage}-1" for stage in ("prepare", "train-apm"))


def a_report(at: float, job: str, *, user: str = KUBELET) -> object:
    return a_write(at, "patch", "pods/status", f"{job}-0-x7k2p", user=user)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("r-1-0123abcd-prepare-1", Link("r-1", 0)),
        ("r-1-0123abcd-train-acsft-1", Link("r-1", 3)),
        ("r-1-0123abcd-train-acsft-1-1", Link("r-1", 6)),
        ("r-1-0123abcd-prepare-2", None),
        ("steerlm-operator-5f7768bdf", None),
        ("", None),
    ],
)
def test_the_name_of_a_job_says_which_stage_it_is_of(name: str, link: Link | None) -> None:
    assert link_of(name) == link


def test_a_transition_goes_from_the_last_word_on_pod_and_job_to_the_next_job() -> None:
    told = [
        a_job(1.0, PREPARE),
        a_report(2.0, PREPARE),
        a_report(3.0, PREPARE),
        a_job(3.5, TRAIN_APM),
        a_write(3.75, "update", "jobs/status", PREPARE, user=CONTROLLER),
        a_write(4.0, "update", "jobs/status", PREPARE, user=CONTROLLER),
    ]
    assert transitions(told, KUBELET) == [Transition(Link("r-1", 0), 3.0, 4.0, 3.5)]


def test_a_transition_tells_when_the_next_pod_had_its_node() -> None:
    told = [
        a_job(1.0, PREPARE),
        a_write(1.5, "create", "pods/binding", f"{PREPARE}-0-x7k2p"),
        a_report(2.0, PREPARE),
        a_job(3.0, TRAIN_APM),
        a_write(3.5, "create", "pods/binding", f"{TRAIN_APM}-0-p2k7x", code=409),
        a_write(4.0, "create", "pods/binding", f"{TRAIN_APM}-0-p2k7x"),
    ]
    assert transitions(told, KUBELET) == [Transition(Link("r-1", 0), 2.0, None, 3.0, 4.0)]


def test_what_others_than_the_kubelet_say_of_a_pod_is_not_its_end() -> None:
    told = [
        a_job(1.0, PREPARE),
        a_report(2.0, PREPARE),
        a_report(2.5, PREPARE, user="scheduler"),
        a_job(3.0, TRAIN_APM),
    ]
    assert transitions(told, KUBELET) == [Transition(Link("r-1", 0), 2.0, None, 3.0)]


def test_a_refused_write_changes_nothing() -> None:
    told = [
        a_job(1.0, PREPARE),
        a_report(2.0, PREPARE),
        a_job(2.5, TRAIN_APM, code=409),
        a_job(3.0, TRAIN_APM),
        a_job(3.5, TRAIN_APM, code=409),
    ]
    assert [t.created_at for t in transitions(told, KUBELET)] == [3.0]


def test_chains_are_told_apart() -> None:
    other = "r-2-0123abcd-train-apm-1"
    told = [a_job(1.0, PREPARE), a_report(2.0, PREPARE), a_job(3.0, other)]
    assert transitions(told, KUBELET) == []


def test_a_job_that_came_before_its_pod_had_succeeded_is_an_error() -> None:
    with pytest.raises(ValueError, match="r-1"):
        transitions([a_job(1.0, PREPARE), a_job(2.0, TRAIN_APM)], KUBELET)


@pytest.mark.parametrize(
    ("fraction", "value"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    fraction: float, value: int
) -> None:
    assert percentile(range(100, 0, -1), fraction) == value


def test_a_percentile_of_one_value_is_that() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
