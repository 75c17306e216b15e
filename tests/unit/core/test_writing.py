from datetime import UTC, datetime, timedelta

from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.conditions import Condition, ConditionStatus, ConditionType
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.core.writing import PROGRESS_PAUSE, write_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_status(state: StageState = StageState.RUNNING, done: int = 1) -> RunStatus:
    stage = StageStatus(name="prepare", state=state, progress=Progress(done=done))
    return RunStatus(stages=(stage,), stage_progress=f"{done}/? steps")


def test_a_status_that_says_nothing_new_is_not_written():
    assert write_at(a_status(), a_status(), None, NOW) is None


def test_progress_alone_is_written_once_a_minute():
    before, after = a_status(done=1), a_status(done=2)
    assert write_at(before, after, None, NOW) == NOW
    assert write_at(before, after, NOW - SECOND, NOW) == NOW - SECOND + PROGRESS_PAUSE
    assert write_at(before, after, NOW - PROGRESS_PAUSE, NOW) == NOW


def a_refusal(message: str, reason: Reason = Reason.LAUNCH_REFUSED) -> RunStatus:
    stage = StageStatus(name="prepare", state=StageState.QUEUED, reason=reason, message=message)
    shown = Condition(
        type=ConditionType.PROGRESSING,
        status=ConditionStatus.TRUE,
        reason=reason,
        message=message,
    )
    return RunStatus(stages=(stage,), conditions=(shown,))


def test_other_words_of_a_refusal_are_written_once_a_minute():
    before, after = a_refusal("request 1"), a_refusal("request 2")
    assert write_at(before, after, None, NOW) == NOW
    assert write_at(before, after, NOW - SECOND, NOW) == NOW - SECOND + PROGRESS_PAUSE


def test_other_words_of_anything_else_are_written_at_once():
    before, after = (a_refusal(text, Reason.UNSCHEDULABLE) for text in ("0/1 nodes", "0/2 nodes"))
    assert write_at(before, after, NOW - SECOND, NOW) == NOW


def test_all_else_is_written_at_once():
    ended = a_status(StageState.SUCCEEDED, done=2)
    assert write_at(a_status(), ended, NOW - SECOND, NOW) == NOW
    assert write_at(None, ended, NOW - SECOND, NOW) == NOW
