from datetime import timedelta

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


def test_run_that_never_started_has_nothing_to_begin_again():
    assert begun_again(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW) is None
