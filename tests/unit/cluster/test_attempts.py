from datetime import UTC, datetime
from typing import Any

import pytest

from steerlm_jobs.contract.report import Report
from steerlm_operator.api.reasons import Reason
from steerlm_operator.cluster.attempts import attempts_of
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState, Wait
from tests.unit.cluster.objects import Object, a_job, a_pod

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
SEALED = Report(exit_code=0, fingerprint="F", digest="D" * 43)


def attempt_of(job: Object, *pods: Object) -> Attempt:
    (found,) = attempts_of([job], pods, {})
    return found


def text(report: Report) -> str:
    return report.model_dump_json(by_alias=True)


def test_a_job_without_pods_is_active_and_has_not_started():
    assert attempt_of(a_job()) == Attempt(
        StageId("prepare"), 1, AttemptState.ACTIVE, uid="job-prepare-1", job_name="r-prepare-1"
    )


def test_a_job_has_succeeded_when_its_pod_has_and_not_when_its_controller_says_so():
    job = a_job()
    assert attempt_of(job, a_pod(job, code=0, message=text(SEALED))) == Attempt(
        StageId("prepare"),
        1,
        AttemptState.ENDED,
        uid="job-prepare-1",
        job_name="r-prepare-1",
        node="gpu-0",
        exit_code=0,
        report=SEALED,
        started_at=START,
        ended_at=END,
    )


def test_a_sharded_job_has_succeeded_when_all_shards_have_and_one_has_sealed():
    job = a_job(completions=2)
    first = a_pod(job, 0, code=0, message=text(Report(exit_code=0, fingerprint="F")))
    second = a_pod(job, 1, code=0, message=text(SEALED))
    assert attempt_of(job, first).state is AttemptState.ACTIVE
    assert attempt_of(job, first, second).report == SEALED


def test_a_failed_pod_of_a_job_that_still_runs_ends_nothing():
    job = a_job()
    assert attempt_of(job, a_pod(job, code=1)).state is AttemptState.ACTIVE


@pytest.mark.parametrize("code", [10, 11, 12, 13, 1, 20, 22])
def test_a_failed_job_has_the_exit_code_and_message_of_its_pod(code: int):
    job = a_job(conditions=("Failed",))
    report = Report(exit_code=code, message="why")
    found = attempt_of(job, a_pod(job, code=code, message=text(report)))
    assert (found.exit_code, found.report) == (code, report)


def test_ranks_that_were_killed_along_explain_nothing():
    job = a_job(completions=2, conditions=("Failed",))
    killed = a_pod(job, 0, code=137, ended_at="2026-01-01T00:00:01Z")
    bad = a_pod(job, 1, code=12, message=text(Report(exit_code=12, message="loss is nan")))
    assert attempt_of(job, killed, bad).exit_code == 12


def test_a_pod_that_the_cluster_took_is_a_disruption_whatever_its_exit_code():
    job = a_job(conditions=("Failed",))
    assert attempt_of(job, a_pod(job, code=137, is_disrupted=True)).exit_code == 21


def test_a_failed_job_without_pods_is_lost():
    assert attempt_of(a_job(conditions=("Failed",))).state is AttemptState.LOST


def test_without_a_report_the_last_line_of_the_log_is_the_message():
    job = a_job(conditions=("Failed",))
    found = attempt_of(job, a_pod(job, code=1, message="Traceback\nValueError: no\n\n"))
    assert found.report is not None
    assert found.report.message == "ValueError: no"


def test_an_attempt_is_as_old_as_the_time_when_its_queue_let_it_go():
    job = a_job()
    job["metadata"]["creationTimestamp"] = "2025-12-24T00:00:00Z"
    job["status"]["startTime"] = "2026-01-01T00:00:00Z"
    assert attempt_of(job).created_at == START


def test_an_attempt_has_its_jobs_name_and_the_node_of_its_first_pod():
    job = a_job(completions=2)
    pods = [a_pod(job, 1), a_pod(job, 0)]
    pods[0]["spec"]["nodeName"] = "gpu-1"
    attempt = attempt_of(job, *pods)
    assert (attempt.job_name, attempt.node) == ("r-prepare-1", "gpu-0")
    assert attempt_of(a_job()).node == ""


def test_a_pod_that_was_killed_for_memory_says_so():
    job = a_job(conditions=("Failed",))
    found = attempt_of(job, a_pod(job, code=137, reason="OOMKilled"))
    assert (found.exit_code, found.is_out_of_memory) == (137, True)


@pytest.mark.parametrize("reason", ["MaxFailedIndexesExceeded", "FailedIndexes"])
def test_a_shard_that_was_tried_as_often_as_it_may_is_explained_by_what_counted(reason: str):
    job = a_job(completions=2)
    job["status"]["conditions"] = [{"type": "Failed", "status": "True", "reason": reason}]
    moved = a_pod(job, 0, code=137, is_disrupted=True, ended_at="2026-01-01T00:00:01Z")
    asked_to_stop = a_pod(job, 0, code=21, ended_at="2026-01-01T00:00:02Z")
    crashed = a_pod(job, 1, code=1)
    found = attempt_of(job, moved, asked_to_stop, crashed)
    assert (found.exit_code, found.has_spent_shard) == (1, True)


def a_waiting_pod(job: Object, index: int, created_at: str = "2026-01-01T00:00:00Z") -> Object:
    pod = a_pod(job, index)
    pod["metadata"]["creationTimestamp"] = created_at
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes",
    }
    pod["spec"] = {}
    pod["status"] = {"phase": "Pending", "conditions": [unschedulable]}
    return pod


def a_later_pod(job: Object, index: int) -> Object:
    pod = a_pod(job, index)
    pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = "2026-01-01T00:00:09Z"
    return pod


def test_a_gang_has_started_when_its_last_pod_has():
    job = a_job(completions=2)
    half = attempt_of(job, a_pod(job, 0), a_waiting_pod(job, 1))
    assert (half.started_at, half.waits_for) == (None, Wait(Reason.UNSCHEDULABLE, "0/1 nodes"))
    assert half.is_waiting
    assert attempt_of(job, a_pod(job, 0)).started_at is None  # the other is not even created
    assert attempt_of(job, a_pod(job, 0), a_later_pod(job, 1)).started_at == END


def a_sharded_job() -> Object:
    job = a_job(completions=2)
    job["spec"]["backoffLimitPerIndex"] = 2
    return job


def test_shards_have_started_when_the_first_has():
    job = a_sharded_job()
    assert attempt_of(job, a_waiting_pod(job, 0), a_pod(job, 1)).started_at == START
    assert attempt_of(job, a_later_pod(job, 0), a_pod(job, 1)).started_at == START


def test_shards_of_which_none_works_wait_again_from_when_the_last_has_ended():
    job = a_sharded_job()
    moved = a_pod(job, 0, code=137, is_disrupted=True)
    found = attempt_of(job, moved, a_waiting_pod(job, 1))
    assert (found.started_at, found.waits_since) == (None, END)
    new = a_waiting_pod(job, 0, "2026-01-01T01:00:00Z")
    assert attempt_of(job, moved, new).waits_since == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert attempt_of(job, moved, a_pod(job, 1)).waits_since is None


def a_failed_job(**values: Any) -> Object:
    job = a_job(**values)
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"}
    job["status"]["conditions"] = [failed]
    return job


def test_a_failed_job_has_more_to_say_until_all_of_its_pods_were_seen_to_end():
    job = a_failed_job(completions=2)
    killed, bad = a_pod(job, 0, code=137), a_pod(job, 1, code=11)
    for pods in ((), (a_pod(job, 0),), (killed, a_pod(job, 1))):
        assert attempt_of(job, *pods).failed_at == END
    told = attempt_of(job, killed, bad)
    assert (told.failed_at, told.unreported_at(), told.exit_code) == (None, None, 11)
