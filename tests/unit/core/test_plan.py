from dataclasses import replace
from datetime import timedelta

import pytest

from steerlm_jobs.contract.report import PrepareFindings, Progress, Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import Phase, RunStatus, StageState, StageStatus
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Launch, Observed, Plan, Stop
from steerlm_operator.core.plan import STOP_GRACE_SECONDS, plan
from tests.scenario.runs import PREFIX, RUN_UID, a_run
from tests.scenario.world import START as NOW

PREPARE = StageId("prepare")
APM = StageId("train-apm")
DIGEST = "d" * 43


def an_attempt(stage=PREPARE, number=1, state=AttemptState.ENDED, **values) -> Attempt:
    values = {"uid": "u", "started_at": NOW, "ended_at": NOW, **values}
    return Attempt(stage, number, state, **values)


def prepared(existing=(), gates=()) -> Report:
    findings = PrepareFindings(roots={}, existing=existing, gates=gates)
    return Report(exit_code=0, fingerprint="f" * 43, digest=DIGEST, prepare=findings)


def plan_for(*attempts, status=None, run=None, now=NOW) -> Plan:
    return plan(Observed(run or a_run(), RUN_UID, PREFIX, status, attempts), now)


def passes(*attempts, run=None, now=NOW, num=1, status=None) -> Plan:
    """Return the last of so many passes over the same attempts."""
    planned = plan_for(*attempts, status=status, run=run, now=now)
    for _ in range(num - 1):
        planned = plan_for(*attempts, status=planned.status, run=run, now=now)
    return planned


def record(planned: Plan, stage: str) -> StageStatus:
    return next(record for record in planned.status.stages if record.name == stage)


def after_prepare(run=None) -> RunStatus:
    first = plan_for(run=run).status
    return plan_for(an_attempt(exit_code=0, report=prepared()), status=first, run=run).status


def test_first_pass_records_the_attempt_and_the_next_launches_it():
    first = plan_for()
    assert (first.actions, first.look_again_at) == ((), NOW)
    assert record(first, PREPARE).state is StageState.QUEUED
    second = plan_for(status=first.status)
    [launch] = second.actions
    assert isinstance(launch, Launch)
    assert (launch.stage, launch.attempt) == (PREPARE, 1)
    assert launch.config.execution.prefix == PREFIX


def test_number_of_an_ended_attempt_is_not_used_again_by_a_status_that_forgot_it():
    forgotten = an_attempt(APM, 2, report=Report(exit_code=0, fingerprint="o" * 43, digest=DIGEST))
    prepare = an_attempt(exit_code=0, report=prepared())
    fresh = plan_for(prepare, forgotten, status=plan_for().status)
    assert (record(fresh, APM).state, record(fresh, APM).attempt) == (StageState.QUEUED, 3)


def test_a_shard_that_used_up_its_budget_fails_the_stage_without_another_attempt():
    spent = an_attempt(exit_code=1, has_spent_shard=True)
    failed = record(plan_for(spent, status=plan_for().status), PREPARE)
    assert (failed.state, failed.attempt, failed.failures) == (StageState.FAILED, 1, 1)
    assert [failure.reason for failure in failed.last_failures] == [Reason.STAGE_CRASHED]


def test_attempt_that_runs_is_left_alone_until_it_would_stall():
    first = plan_for().status
    active = an_attempt(state=AttemptState.ACTIVE, progressed_at=NOW)
    planned = plan_for(active, status=first)
    assert planned.actions == ()
    assert planned.look_again_at == NOW + timedelta(seconds=1800)
    unheard = replace(active, progressed_at=None)
    assert plan_for(unheard, status=first).look_again_at is None
    much_later = NOW + timedelta(days=1)
    unasked = replace(active, asked_at=NOW + timedelta(seconds=1799))
    planned = plan_for(unasked, status=first, now=much_later)
    assert (record(planned, PREPARE).reason, planned.actions) == (None, ())
    assert planned.look_again_at == much_later + timedelta(seconds=10)


def test_results_that_prepare_found_are_cached_and_the_next_stage_is_recorded():
    first = plan_for().status
    existing = (DIGEST, DIGEST, "", "", "", "", "", "")
    planned = plan_for(an_attempt(exit_code=0, report=prepared(existing)), status=first)
    states = [record.state for record in planned.status.stages]
    cached, succeeded = StageState.CACHED, StageState.SUCCEEDED
    assert states[:5] == [succeeded, cached, cached, StageState.QUEUED, StageState.PENDING]
    assert planned.status.progress == "3/9"


def test_config_of_a_stage_names_the_results_it_reads():
    [launch] = plan_for(status=after_prepare()).actions
    [source] = launch.config.inputs
    assert (source.stage, source.digest) == (PREPARE, DIGEST)
    assert source.uri == f"{PREFIX}/prepare/{'f' * 43}"


def test_failed_attempt_is_repeated_only_after_its_backoff():
    status = after_prepare()
    failed = an_attempt(APM, exit_code=1, report=Report(exit_code=1, message="oh"))
    planned = plan_for(failed, status=status)
    assert (planned.actions, planned.look_again_at) == ((), NOW + timedelta(seconds=30))
    assert record(planned, APM).state is StageState.RETRYING
    later = plan_for(failed, status=planned.status, now=NOW + timedelta(seconds=30))
    assert (record(later, APM).state, record(later, APM).attempt) == (StageState.QUEUED, 2)


@pytest.mark.parametrize("code", [10, 11, 12, 13])
def test_failure_that_would_repeat_itself_fails_the_run_at_once(code: int):
    failed = an_attempt(APM, exit_code=code, report=Report(exit_code=code, message="oh"))
    planned = plan_for(failed, status=after_prepare())
    assert (planned.actions, planned.look_again_at) == ((), None)
    assert planned.status.phase is Phase.FAILED
    assert record(planned, "annotate").state is StageState.SKIPPED
    succeeded = next(c for c in planned.status.conditions if c.type == "Succeeded")
    assert (succeeded.status, succeeded.message) == ("False", "train-apm: oh")


def test_attempt_that_vanished_is_a_disruption_and_repeated_at_once():
    status = plan_for(an_attempt(APM, state=AttemptState.ACTIVE), status=after_prepare()).status
    planned = plan_for(status=status)
    found = record(planned, APM)
    assert (found.state, found.attempt, found.failures) == (StageState.QUEUED, 2, 0)
    assert found.disruptions == 1


def test_attempt_is_stopped_when_its_progress_stands_still():
    active = an_attempt(
        APM, state=AttemptState.ACTIVE, progress=Progress(done=1), progressed_at=NOW
    )
    status = after_prepare()
    later = NOW + timedelta(seconds=1801)
    planned = passes(active, status=status, now=later, num=2)
    assert planned.actions == (Stop(APM, 1, Reason.STALLED, STOP_GRACE_SECONDS),)
    ended = replace(active, state=AttemptState.ENDED, exit_code=21, ended_at=later)
    found = record(plan_for(ended, status=planned.status, now=later), APM)
    assert (found.failures, found.disruptions, found.exit_code) == (1, 0, 22)


def test_suspended_attempt_may_take_its_time_and_counts_in_no_budget():
    active = an_attempt(APM, state=AttemptState.ACTIVE)
    suspended = a_run(suspend=True)
    planned = passes(active, status=after_prepare(), run=suspended, num=2)
    assert planned.actions == (Stop(APM, 1, Reason.SUSPENDED, None),)
    ended = replace(active, state=AttemptState.ENDED, exit_code=21)
    stopped = plan_for(ended, status=planned.status, run=suspended)
    found = record(stopped, APM)
    assert (found.state, found.failures, found.disruptions) == (StageState.PENDING, 0, 0)
    assert (stopped.actions, stopped.look_again_at) == ((), None)
    assert record(plan_for(ended, status=stopped.status), APM).attempt == 2


def test_an_attempt_whose_run_is_overdue_is_looked_at_when_its_grace_is_over_and_not_at_once():
    run = a_run(activeDeadlineSeconds=100)
    running = an_attempt(state=AttemptState.ACTIVE, ended_at=None)
    first = passes(running, run=run, num=3)
    assert first.look_again_at == NOW + timedelta(seconds=100)
    later = NOW + timedelta(seconds=160)
    planned = passes(running, status=first.status, run=run, now=later, num=3)
    assert planned.actions == (Stop(PREPARE, 1, Reason.DEADLINE_EXCEEDED, STOP_GRACE_SECONDS),)
    assert planned.look_again_at == later + timedelta(seconds=STOP_GRACE_SECONDS)


def test_shutdown_stop_lets_the_stage_finish_and_starts_no_other():
    active = an_attempt(APM, state=AttemptState.ACTIVE)
    stopping = a_run(shutdown="Stop")
    planned = passes(active, status=after_prepare(), run=stopping, num=2)
    assert planned.actions == ()
    report = Report(exit_code=0, digest=DIGEST)
    ended = replace(active, state=AttemptState.ENDED, exit_code=0, report=report)
    done = plan_for(ended, status=planned.status, run=stopping)
    assert record(done, APM).state is StageState.SUCCEEDED
    assert done.status.phase is Phase.STOPPED


def test_raised_retry_count_gives_a_failed_stage_a_new_budget():
    failed = an_attempt(APM, exit_code=11, report=Report(exit_code=11))
    status = plan_for(failed, status=after_prepare()).status
    again = plan_for(failed, status=status, run=a_run(retry={"count": 1}))
    assert (record(again, APM).state, record(again, APM).attempt) == (StageState.QUEUED, 2)
    assert again.status.observed_retry_count == 1
    assert record(again, PREPARE).state is StageState.SUCCEEDED


def test_raised_retry_count_changes_nothing_on_a_run_that_has_not_failed():
    status = after_prepare()
    planned = plan_for(status=status, run=a_run(retry={"count": 1, "fromStage": "prepare"}))
    assert [action.stage for action in planned.actions] == [APM]


def test_failed_gate_of_a_cached_evaluation_fails_the_run():
    metric = "apm/quality/pearson"
    gated = a_run(stages={"evaluate": {"gates": [{"metric": metric, "min": "0.5"}]}})
    report = prepared((DIGEST,) * 8, ((0.5625, 0.25, 0.75, False),))
    first = plan_for(run=gated).status
    planned = plan_for(an_attempt(exit_code=0, report=report), status=first, run=gated)
    assert planned.status.phase is Phase.FAILED
    line = f"{metric} is 0.5625 [0.25, 0.75], needs low >= 0.5"
    assert record(planned, "evaluate").message == line
    progressing = next(c for c in planned.status.conditions if c.type == "Progressing")
    assert progressing.reason is Reason.GATE_FAILED


def test_result_of_another_name_than_planned_fails_and_is_not_made_again_for_ever():
    report = Report(exit_code=0, fingerprint="x" * 43, digest=DIGEST)
    planned = plan_for(an_attempt(APM, exit_code=0, report=report), status=after_prepare())
    assert (planned.status.phase, planned.actions) == (Phase.FAILED, ())
    assert "different versions" in record(planned, APM).message


def test_a_queue_that_takes_its_nodes_back_is_no_failure_and_waiting_there_no_running_time():
    run = a_run(activeDeadlineSeconds=100)
    running = an_attempt(state=AttemptState.ACTIVE, ended_at=None)
    first = passes(running, run=run, num=3)
    later = NOW + timedelta(seconds=40)
    held = replace(running, is_held=True)  # its pod still writes the checkpoint
    taken = plan_for(held, status=first.status, run=run, now=later)
    prepare = record(taken, PREPARE)
    assert (prepare.state, prepare.attempt) == (StageState.QUEUED, 1)
    assert (prepare.failures, prepare.disruptions) == (0, 0)
    assert taken.status.active_seconds == 40
    much_later = NOW + timedelta(hours=9)
    gone = replace(held, started_at=None)
    waiting = passes(gone, run=run, now=much_later, status=taken.status, num=2)
    assert (waiting.actions, record(waiting, PREPARE).state) == ((), StageState.QUEUED)
    back = replace(running, started_at=much_later, created_at=much_later, progressed_at=NOW)
    again = plan_for(back, status=waiting.status, run=run, now=much_later)
    assert (again.actions, record(again, PREPARE).state) == ((), StageState.RUNNING)
    assert again.status.active_seconds == 40


def test_a_stage_that_was_killed_for_memory_says_so_and_is_counted():
    first = plan_for().status
    killed = an_attempt(exit_code=137, is_out_of_memory=True)
    after = record(plan_for(killed, status=first), PREPARE)
    assert (after.state, after.reason, after.failures) == (
        StageState.RETRYING,
        Reason.OOM_KILLED,
        1,
    )


def status_with(stages: dict[str, tuple[StageState, int]]) -> RunStatus:
    """Return the status of a run that is past prepare, some records as given."""
    status = after_prepare()
    changed = (
        record.model_copy(
            update=dict(zip(("state", "attempt"), stages[record.name], strict=True))
            if record.name in stages
            else {}
        )
        for record in status.stages
    )
    return status.model_copy(update={"stages": tuple(changed)})


ALIVE = an_attempt(StageId("train-acsft"), 1, AttemptState.ACTIVE, ended_at=None)
STRAY_STOP = Stop(StageId("train-acsft"), 1, Reason.STOPPED, STOP_GRACE_SECONDS)


@pytest.mark.parametrize("state", [StageState.PENDING, StageState.RUNNING, StageState.RETRYING])
def test_nothing_is_launched_while_another_stage_is_alive_and_that_is_stopped(state: StageState):
    status = status_with({APM: (StageState.QUEUED, 2), "train-acsft": (state, 1)})
    assert plan_for(ALIVE, status=status).actions == (STRAY_STOP,)
    gone = plan_for(status=status)
    assert [(type(a), a.stage) for a in gone.actions] == [(Launch, APM)]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"shutdown": "Terminate"}])
def test_where_nothing_may_run_every_attempt_that_is_alive_is_stopped(spec: dict):
    apm = an_attempt(APM, 1, AttemptState.ACTIVE, ended_at=None)
    status = status_with({APM: (StageState.RUNNING, 1), "train-acsft": (StageState.RUNNING, 1)})
    stops = passes(apm, ALIVE, status=status, run=a_run(**spec), num=2).actions
    assert [(type(a), a.stage) for a in stops] == [(Stop, APM), (Stop, "train-acsft")]
    unrecorded = replace(ALIVE, number=2)
    [*_, last] = passes(apm, unrecorded, status=status, run=a_run(**spec), num=2).actions
    assert (type(last), last.stage, last.attempt) == (Stop, "train-acsft", 2)


@pytest.mark.parametrize("state", [StageState.CANCELLED, StageState.FAILED, StageState.SUCCEEDED])
def test_an_attempt_of_a_run_that_has_ended_is_stopped(state: StageState):
    status = status_with({record.name: (state, 1) for record in after_prepare().stages})
    assert plan_for(ALIVE, status=status).actions == (STRAY_STOP,)


def test_an_attempt_that_is_recorded_elsewhere_already_is_not_stopped_for_what_we_do_not_know():
    status = status_with({APM: (StageState.RETRYING, 1)})
    newer = an_attempt(APM, 2, AttemptState.ACTIVE, ended_at=None)
    assert plan_for(newer, status=status).actions == ()


def test_a_stray_whose_node_does_not_answer_is_looked_at_when_it_counts_as_lost():
    status = status_with({APM: (StageState.QUEUED, 2)})
    stuck = replace(ALIVE, stage=APM, stuck_since=NOW)
    assert plan_for(stuck, status=status).look_again_at == NOW + timedelta(seconds=60)


def test_a_failed_job_is_not_judged_before_its_pods_have_said_how_they_ended():
    running = passes(an_attempt(APM, state=AttemptState.ACTIVE), status=after_prepare(), num=2)
    lost = an_attempt(APM, state=AttemptState.LOST, ended_at=None, failed_at=NOW)
    soon, late = NOW + timedelta(seconds=9), NOW + timedelta(seconds=10)
    planned = plan_for(lost, status=running.status, now=soon)
    assert (record(planned, APM).state, planned.actions) == (StageState.RUNNING, ())
    assert planned.look_again_at == late
    told = an_attempt(APM, exit_code=11, report=Report(exit_code=11))
    bad = record(plan_for(told, status=planned.status, now=soon), APM)
    assert (bad.state, bad.reason) == (StageState.FAILED, Reason.BAD_INPUT)
    given_up = record(plan_for(lost, status=planned.status, now=late), APM)
    assert (given_up.disruptions, given_up.last_failures[0].reason) == (1, Reason.ATTEMPT_LOST)


def test_shards_of_which_none_works_have_time_to_find_other_nodes():
    running = passes(an_attempt(state=AttemptState.ACTIVE), num=3).status
    later = NOW + timedelta(hours=3)
    waiting = an_attempt(state=AttemptState.ACTIVE, started_at=None, created_at=NOW)
    assert plan_for(waiting, status=running, now=later).look_again_at is None  # no pod yet
    waiting = replace(waiting, waits_since=later)
    due = later + timedelta(seconds=1800)
    planned = plan_for(waiting, status=running, now=later)
    assert (planned.actions, planned.look_again_at) == ((), due)
    late = passes(waiting, status=running, now=due, num=2)
    assert late.actions == (Stop(PREPARE, 1, Reason.PODS_NOT_READY, STOP_GRACE_SECONDS),)
