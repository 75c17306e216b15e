from datetime import timedelta

import pytest

from steerlm_jobs.contract.report import Progress
from steerlm_operator.core.eta import eta
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState
from tests.scenario.world import START


def an_attempt(done: int, total: int = 100, seconds: float = 60, **values) -> Attempt:
    values = {"started_at": START, "progressed_at": START + timedelta(seconds=seconds), **values}
    progress = Progress(done=done, total=total)
    return Attempt(StageId("prepare"), 1, AttemptState.ACTIVE, progress=progress, **values)


@pytest.mark.parametrize(
    ("attempt", "resumed_from", "seconds"),
    [
        (an_attempt(10), 0, 600),
        (an_attempt(60), 50, 300),  # ten in a minute, not sixty
        (an_attempt(100), 0, 60),
        (an_attempt(99, seconds=10), 0, 10),
    ],
)
def test_an_attempt_is_expected_to_go_on_as_it_has(attempt, resumed_from, seconds):
    assert eta(attempt, resumed_from) == START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attempt", "resumed_from"),
    [
        (an_attempt(0), 0),
        (an_attempt(50), 50),
        (an_attempt(5, total=0), 0),
        (an_attempt(5, seconds=0), 0),
        (an_attempt(5, started_at=None), 0),
        (an_attempt(5, progressed_at=None), 0),
        (an_attempt(1, total=10**10), 0),  # no date is so late
        (an_attempt(1, total=10**400), 0),  # no float so large
    ],
)
def test_nothing_is_said_before_something_can_be(attempt, resumed_from):
    assert eta(attempt, resumed_from) is None
