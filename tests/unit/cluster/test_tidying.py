from steerlm_operator.cluster.tidying import outdated_jobs
from steerlm_operator.render.names import PROBE_ROLE, ROLE_LABEL
from tests.unit.cluster.objects import Object, a_job


def failed(stage: str, *attempts: int) -> list[Object]:
    return [a_job(stage, attempt, conditions=("Failed",)) for attempt in attempts]


def names(jobs: list[Object]) -> list[str]:
    return [job["metadata"]["name"] for job in outdated_jobs(jobs)]


def test_the_last_three_failures_of_each_stage_stay():
    jobs = [*failed("prepare", 10, 9, 2, 11, 1), *failed("train-apm", 1, 2, 3)]
    assert names(jobs) == ["r-prepare-1", "r-prepare-2"]


def test_what_completed_or_runs_stays_and_counts_as_no_failure():
    completed = [a_job("prepare", attempt, conditions=("Complete",)) for attempt in range(1, 6)]
    running = [a_job("prepare", attempt) for attempt in range(6, 10)]
    assert names([*completed, *running, *failed("prepare", 10, 11, 12)]) == []


def test_a_probe_and_what_is_no_stage_stay():
    probes = failed("prepare", 1, 2, 3, 4)
    for job in probes:
        job["metadata"]["labels"][ROLE_LABEL] = PROBE_ROLE
    others = failed("prepare", 1, 2, 3, 4)
    for job in others:
        del job["metadata"]["labels"]["steerlm.dev/stage"]
    assert names([*probes, *others]) == []


def test_what_is_being_deleted_is_not_deleted_again():
    jobs = failed("prepare", 1, 2, 3, 4, 5)
    jobs[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert names(jobs) == ["r-prepare-2"]
