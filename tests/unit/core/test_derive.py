"""What the status of a run says beside the records of its stages."""

import pytest

from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.status import MAX_STAGE_PROGRESS, RunStatus, StageState
from steerlm_operator.core.observed import Attempt, AttemptState, Observed
from steerlm_operator.core.plan import plan
from tests.scenario.runs import PREFIX, RUN_UID, a_run
from tests.scenario.world import START as NOW


def status_with(state: AttemptState, progress: Progress | None, **values) -> RunStatus:
    """Return the status of a run whose first stage is at its first attempt."""
    first = plan(Observed(a_run(), RUN_UID, PREFIX, None, ()), NOW).status
    values = {"started_at": NOW, **values}
    attempt = Attempt("prepare", 1, state, uid="u", progress=progress, **values)
    return plan(Observed(a_run(), RUN_UID, PREFIX, first, (attempt,)), NOW).status


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (None, ""),
        (Progress(done=3), "3/? steps"),
        (Progress(done=120, total=400), "120/400 steps"),
        (Progress(done=7, total=9, unit="rows"), "7/9 rows"),
    ],
)
def test_how_far_the_stage_is_that_runs_is_said_of_the_run(progress: Progress | None, shown: str):
    assert status_with(AttemptState.ACTIVE, progress).stage_progress == shown


def test_nothing_is_said_of_how_far_a_stage_is_that_does_not_run():
    progress = Progress(done=120, total=400)
    waiting = status_with(AttemptState.ACTIVE, progress, started_at=None)
    failed = status_with(AttemptState.ENDED, progress, exit_code=10, ended_at=NOW)
    assert (waiting.stage_progress, failed.stage_progress) == ("", "")


def test_a_stage_that_counts_what_no_column_can_hold_is_cut():
    status = status_with(AttemptState.ACTIVE, Progress(done=1, total=2, unit="u" * 500))
    assert len(status.stage_progress) == MAX_STAGE_PROGRESS
    assert RunStatus.model_validate(status.model_dump()) == status


@pytest.mark.parametrize(("shards", "shown"), [(1, "7/9 rows"), (2, "")])
def test_of_several_shards_one_is_asked_so_nothing_is_said_of_the_stage(shards: int, shown: str):
    run = a_run()
    stages = run.spec.stages.model_copy(
        update={"annotate": run.spec.stages.annotate.model_copy(update={"shards": shards})}
    )
    run = run.model_copy(update={"spec": run.spec.model_copy(update={"stages": stages})})
    first = plan(Observed(run, RUN_UID, PREFIX, None, ()), NOW).status
    done = {"prepare", "train-apm"}
    records = tuple(
        record.model_copy(update={"state": StageState.SUCCEEDED})
        if record.name in done
        else record.model_copy(update={"state": StageState.QUEUED, "attempt": 1})
        if record.name == "annotate"
        else record
        for record in (r.model_copy(update={"state": StageState.PENDING}) for r in first.stages)
    )
    status = first.model_copy(update={"stages": records})
    progress = Progress(done=7, total=9, unit="rows")
    attempt = Attempt(
        "annotate", 1, AttemptState.ACTIVE, uid="u", progress=progress, started_at=NOW
    )
    after = plan(Observed(run, RUN_UID, PREFIX, status, (attempt,)), NOW).status
    assert after.stages[2].state is StageState.RUNNING
    assert after.stage_progress == shown


def test_the_retries_of_a_run_from_before_stages_had_counts_are_kept():
    before = status_with(AttemptState.ACTIVE, None).model_copy(update={"retries": 2})
    attempt = Attempt("prepare", 1, AttemptState.ACTIVE, uid="u", started_at=NOW)
    after = plan(Observed(a_run(), RUN_UID, PREFIX, before, (attempt,)), NOW).status
    assert after.retries == 2
