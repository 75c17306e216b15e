from datetime import UTC, datetime

from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.cluster.runs import seen_run, status_body
from tests.unit.cluster.objects import a_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_stage_that_nothing_has_happened_to_is_written_by_name_and_state():
    stages = (
        StageStatus(name="prepare", state=StageState.RUNNING, attempt=1, start_time=NOW),
        StageStatus(name="train-apm", state=StageState.PENDING),
    )
    body = status_body(seen_run(a_run()), RunStatus(stages=stages))
    assert body["status"]["stages"][1] == {"name": "train-apm", "state": "Pending"}
    assert RunStatus.model_validate(body["status"]).stages == stages


def test_what_is_empty_of_a_stage_is_not_written_and_counts_are():
    stages = (StageStatus(name="prepare", state=StageState.QUEUED, attempt=1),)
    (written,) = status_body(seen_run(a_run()), RunStatus(stages=stages))["status"]["stages"]
    assert "message" not in written
    assert "lastFailures" not in written
    assert (written["attempt"], written["failures"], written["disruptions"]) == (1, 0, 0)
