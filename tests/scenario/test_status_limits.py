"""What a status may not hold: the API server refuses all of it, and the run would stand still."""

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.contract.report import Report
from steerlm_operator.api.status import MAX_MESSAGE, MAX_METRICS
from steerlm_operator.cluster.api import Resource
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, run_to_end, settle, status_of

LONG = "x" * 4000


def test_a_run_that_misses_more_gates_than_a_message_holds_ends():
    missed = tuple(
        GateResult(
            metric=f"steerability/not_appropriate/{number}",
            value=0.123456,
            lower=0.01234,
            upper=0.2345,
            bound=0.5,
            passed=False,
        )
        for number in range(16)
    )

    def work(config: StageConfig) -> tuple[int, Report | None]:
        code, report = succeed(config)
        if config.stage == "evaluate" and report is not None:
            report = report.model_copy(update={"gates": missed})
        return code, report

    cluster = MemoryCluster(work)
    cluster.add_run(a_run())
    status = run_to_end(cluster)
    last = status["stages"][-1]
    assert (status["phase"], last["reason"]) == ("Failed", "GateFailed")
    assert last["message"].startswith("steerability/not_appropriate/0 is ")
    assert len(last["message"]) == MAX_MESSAGE


def test_a_run_keeps_all_figures_of_twenty_attributes_and_the_first_of_more():
    figures = {f"apm/a{number}/mae": "0.1" for number in range(200)}

    def work(config: StageConfig) -> tuple[int, Report | None]:
        code, report = succeed(config)
        if config.stage == "evaluate" and report is not None:
            report = report.model_copy(update={"metrics": figures})
        return code, report

    cluster = MemoryCluster(work)
    cluster.add_run(a_run())
    status = run_to_end(cluster)
    assert status["phase"] == "Succeeded"
    assert MAX_METRICS > 20 * 4
    assert status["metrics"] == dict(list(figures.items())[:MAX_METRICS])


@pytest.mark.parametrize("code", [1, 11, 21])
def test_a_stage_that_ends_with_more_words_than_a_message_holds_is_told(code: int):
    def work(config: StageConfig) -> tuple[int, Report | None]:
        return code, Report(exit_code=code, message=LONG)

    cluster = MemoryCluster(work)
    cluster.add_run(a_run(defaults={"retry": {"limit": 1, "disruptionLimit": 1}}))
    status = run_to_end(cluster)
    prepare = status["stages"][0]
    assert (status["phase"], prepare["state"]) == ("Failed", "Failed")
    assert {len(prepare["message"]), len(prepare["lastFailures"][-1]["message"])} == {MAX_MESSAGE}


def test_what_an_attempt_no_longer_waits_for_is_not_shown():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    cluster.has_nodes, cluster.refusals = False, 1
    settle(cluster)
    assert status_of(cluster)["stages"][0]["reason"] == "LaunchRefused"
    settle(cluster)
    assert len(cluster.objects(Resource.JOBS)) == 1
    prepare = status_of(cluster)["stages"][0]
    assert prepare["state"] == "Queued"
    assert not {"reason", "message"} & set(prepare)
