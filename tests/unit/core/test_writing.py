from datetime import UTC, datetime, timedelta

from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.core.writing import PROGRESS_PAUSE, write_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_status(state: StageState = StageState.RUNNING, done: int = 1) -> RunStatus:
    stage = StageStatus(name="prepare", state=state, progress=Progress(done=done))
    return RunStatus(stages=(stage,))


def test_a_status_that_says_nothing_new_is_not_written():
    assert write_at(a_status(), a_status(), None, NOW) is None


def test_progress_alone_is_written_once_a_minute():
    before, after = a_status(done=1), a_status(done=2)
    assert write_at(before, after, None, NOW) == NOW
    assert write_at(before, after, NOW - SECOND, NOW) == NOW - SECOND + PROGRESS_PAUSE
    assert write_at(before, after, NOW - PROGRESS_PAUSE, NOW) == NOW


def test_all_else_is_written_at_once():
    ended = a_status(StageState.SUCCEEDED, done=2)
    assert write_at(a_status(), ended, NOW - SECOND, NOW) == NOW
    assert write_at(None, ended, NOW - SECOND, NOW) == NOW
