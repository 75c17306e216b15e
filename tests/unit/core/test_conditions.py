"""What the column Reason and the message beside it say of the current stage."""

import pytest

from steerlm_operator.api.conditions import Condition, ConditionType
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import StageState, StageStatus
from steerlm_operator.core.conditions import conditions
from tests.scenario.runs import a_run


def condition(kind: ConditionType, *stages: StageStatus) -> Condition:
    return next(c for c in conditions(a_run().spec, stages, 1) if c.type is kind)


@pytest.mark.parametrize(
    ("record", "reason", "message"),
    [
        ({"state": StageState.PENDING}, Reason.STAGES_REMAIN, "annotate"),
        (
            {"state": StageState.QUEUED, "attempt": 1},
            Reason.STAGES_REMAIN,
            "annotate: attempt 1 waits to start",
        ),
        (
            {
                "state": StageState.QUEUED,
                "attempt": 1,
                "reason": Reason.UNSCHEDULABLE,
                "message": "0/3 nodes are available",
            },
            Reason.UNSCHEDULABLE,
            "annotate: 0/3 nodes are available",
        ),
        (
            {"state": StageState.RUNNING, "attempt": 2},
            Reason.STAGES_REMAIN,
            "annotate: attempt 2 is running",
        ),
        (
            {"state": StageState.RETRYING, "reason": Reason.STAGE_KILLED, "message": "killed"},
            Reason.RETRYING,
            "annotate: killed",
        ),
    ],
)
def test_a_run_says_what_its_stage_does_or_waits_for(record, reason, message):
    done = StageStatus(name="prepare", state=StageState.SUCCEEDED)
    found = condition(ConditionType.PROGRESSING, done, StageStatus(name="annotate", **record))
    assert (found.reason, found.message) == (reason, message)


def test_the_end_of_a_run_says_how_much_was_there_before():
    stages = (
        StageStatus(name="prepare", state=StageState.CACHED),
        StageStatus(name="evaluate", state=StageState.SUCCEEDED),
    )
    found = condition(ConditionType.SUCCEEDED, *stages)
    assert found.message == "all 2 stages have a result, 1 of them had it before"
