"""A status as another version of the operator, or anybody, may have left it."""

from typing import Any

import pytest

from steerlm_operator.api.status import MAX_MESSAGE, MAX_METRICS, Phase, RunStatus, StageState
from steerlm_operator.cluster.recorded import UnreadableStatusError, recorded_status
from tests.unit.cluster.objects import a_run


def read(**status: Any) -> RunStatus | None:
    return recorded_status(a_run(status=status))


def a_stage(**more: Any) -> dict[str, Any]:
    return {"name": "prepare", "state": "Succeeded", "attempt": 1, **more}


def test_nothing_recorded_is_no_status():
    assert recorded_status(a_run()) is None
    assert read() is None


@pytest.mark.parametrize(
    "more",
    [
        {"mood": "good"},
        {"reason": "FromANewerOperator"},
        {"lastFailures": [{"attempt": 1, "reason": "FromANewerOperator", "mood": "bad"}]},
        {"artifact": {"uri": "s3://a", "digest": "d", "sizeBytes": 1}},
        {"message": "x" * (MAX_MESSAGE + 1)},
        {"progress": {"done": 1, "speed": 7}},
    ],
)
def test_what_is_unknown_of_a_stage_is_passed_over_and_the_rest_is_read(more: dict[str, Any]):
    status = read(stages=[a_stage(**more), {"name": "train-apm", "state": "Pending"}], mood="good")
    assert status is not None
    assert [stage.state for stage in status.stages] == [StageState.SUCCEEDED, StageState.PENDING]
    assert status.stages[0].attempt == 1
    assert status.stages[0].reason is None


def test_a_condition_of_an_unknown_kind_or_reason_is_passed_over():
    known = {"type": "Accepted", "status": "True", "reason": "Accepted"}
    odd = [{**known, "type": "Warm"}, {**known, "type": "Degraded", "reason": "Tired"}]
    status = read(conditions=[odd[0], known, odd[1]], phase="Dreaming", stages=[a_stage()])
    assert status is not None
    assert [condition.type for condition in status.conditions] == ["Accepted"]
    assert status.phase is Phase.PENDING


def test_more_figures_than_we_keep_are_cut():
    status = read(metrics={f"m{number}": "1" for number in range(500)}, stages=[a_stage()])
    assert status is not None
    assert list(status.metrics) == [f"m{number}" for number in range(MAX_METRICS)]


@pytest.mark.parametrize(
    ("status", "place"),
    [
        ({"stages": [a_stage(state="Dreaming")]}, r"status\.stages\.0\.state"),
        ({"stages": [a_stage(attempt="many")]}, r"status\.stages\.0\.attempt"),
        ({"stages": [{"state": "Succeeded"}]}, r"status\.stages\.0\.name"),
        ({"stages": "none", "phase": 7}, "status"),
        ({"stages": [7]}, r"status\.stages\.0"),
    ],
)
def test_a_status_that_does_not_say_how_far_a_stage_is_is_unreadable(
    status: dict[str, Any], place: str
):
    with pytest.raises(UnreadableStatusError, match=place) as found:
        read(**status)
    assert "\n" not in str(found.value)
