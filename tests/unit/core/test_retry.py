from dataclasses import replace
from datetime import timedelta

import pytest

from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.status import StageState
from steerlm_operator.core.observed import Attempt, AttemptState, Observed
from steerlm_operator.core.plan import plan
from steerlm_operator.core.retry import begun_again
from tests.scenario.runs import PREFIX, RUN_UID, a_run
from tests.scenario.world import START as NOW


def observed(state: AttemptState, status=None, **values) -> Observed:
    attempt = Attempt("prepare", 1, state, uid="u", started_at=NOW, **values)
    return Observed(a_run(), RUN_UID, PREFIX, status, (attempt,))


def test_time_of_an_attempt_that_died_with_its_runner_counts():
    first = plan(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW).status
    running = plan(observed(AttemptState.ACTIVE, first), NOW).status
    assert running.stages[0].state is StageState.RUNNING
    killed_at = NOW + timedelta(seconds=90)
    lost = observed(AttemptState.LOST, running, ended_at=killed_at)
    again = begun_again(lost, NOW + timedelta(hours=3))
    assert again is not None
    assert again.active_seconds == 90
    assert again.stages[0].disruptions == 1


@pytest.mark.parametrize("state", [AttemptState.LOST, AttemptState.ACTIVE])
def test_an_attempt_that_follows_a_lost_runner_is_a_retry_and_one_that_follows_its_user_is_none(
    state: AttemptState,
):
    first = plan(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW).status
    running = plan(observed(AttemptState.ACTIVE, first), NOW).status
    if state is AttemptState.ACTIVE:  # Ctrl-C
        suspended = replace(observed(state, running), run=a_run(suspend=True))
        running = plan(suspended, NOW).status
    ended = observed(AttemptState.ENDED, running, exit_code=21, ended_at=NOW)
    again = begun_again(ended, NOW)
    assert again is not None
    following = plan(replace(ended, status=again), NOW).status
    assert following.stages[0].attempt == 2
    assert following.retries == (1 if state is AttemptState.LOST else 0)


def test_retries_grow_when_a_newer_checkpoint_sets_disruptions_back():
    status = plan(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW).status
    for number in (1, 2, 3):
        attempt = Attempt(
            "prepare",
            number,
            AttemptState.ENDED,
            uid="u",
            exit_code=21,
            started_at=NOW,
            ended_at=NOW,
            progress=Progress(checkpoint_step=number),
        )
        for _ in range(2):
            status = plan(Observed(a_run(), RUN_UID, PREFIX, status, (attempt,)), NOW).status
    prepare = status.stages[0]
    assert (prepare.attempt, prepare.disruptions, prepare.retries, status.retries) == (4, 1, 3, 3)


def test_run_that_never_started_has_nothing_to_begin_again():
    assert begun_again(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW) is None
