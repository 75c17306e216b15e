"""`spec.retry`: it acts on a run that has failed, once, and keeps the results that are good."""

from typing import Any

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.contract.report import Report
from tests.quickstart import STAGES
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, states, status_of

DISABLED = {"defaults": {"cache": "Disabled"}}


class Failing:
    """Stages that succeed, but those that are named: they fail, or miss their gate.

    By default they fail for good.
    """

    def __init__(self, *failing: str, misses_gate: bool = False, code: int = 11) -> None:
        self.failing = set(failing)
        self.code = code
        self.misses_gate = misses_gate

    def __call__(self, config: StageConfig) -> tuple[int, Report | None]:
        code, report = succeed(config)
        if config.stage in self.failing:
            return self.code, Report(exit_code=self.code, message="bad input")
        if config.stage == "evaluate" and self.misses_gate and report is not None:
            missed = GateResult(metric="meter/jokes/spearman", value=0.1, bound=0.1, passed=False)
            report = report.model_copy(update={"gates": (missed,)})
        return code, report


def ended(work: Any = succeed, **spec: Any) -> MemoryCluster:
    cluster = MemoryCluster(work)
    cluster.add_run(a_run(**spec))
    run_to_end(cluster)
    return cluster


def names(cluster: MemoryCluster) -> dict[str, str]:
    return {s["name"]: s.get("fingerprint", "") for s in status_of(cluster)["stages"]}


def made_by(cluster: MemoryCluster, **retry: Any) -> list[str]:
    """Return the attempts that a change of `spec.retry` leads to."""
    before = len(launched(cluster))
    cluster.change_spec("quickstart", retry=retry)
    settle(cluster)
    run_to_end(cluster)
    return [name.split("-", 2)[2] for name in launched(cluster)[before:]]


def retries(cluster: MemoryCluster) -> dict[str, int]:
    """Return the retries of the stages that have some; the run's are as many."""
    status = status_of(cluster)
    found = {s["name"]: s["retries"] for s in status["stages"] if s.get("retries")}
    assert status["retries"] == sum(found.values())
    return found


@pytest.mark.parametrize("spec", [{}, DISABLED], ids=["cached", "uncached"])
@pytest.mark.parametrize("more", [{}, {"ignoreCache": True}, {"fromStage": "prepare"}])
def test_a_raised_count_does_nothing_to_a_run_that_succeeded(spec: dict, more: dict):
    cluster = ended(**spec)
    before = status_of(cluster)
    assert made_by(cluster, count=1, **more) == []
    assert made_by(cluster, count=1) == []  # nor does taking the rest back
    after = status_of(cluster)
    assert (after["phase"], after["stages"]) == ("Succeeded", before["stages"])
    assert (after["observedRetryCount"], "retry" in after) == (1, False)


@pytest.mark.parametrize("spec", [{}, DISABLED], ids=["cached", "uncached"])
def test_a_retry_runs_again_what_failed_and_keeps_what_is_good(spec: dict):
    work = Failing("evaluate")
    cluster = ended(work, **spec)
    before = names(cluster)
    work.failing.clear()
    assert made_by(cluster, count=1) == ["evaluate-2"]
    assert status_of(cluster)["phase"] == "Succeeded"
    assert retries(cluster) == {"evaluate": 1}
    kept = {name for name, value in names(cluster).items() if value == before[name]}
    assert kept == set(STAGES) - ({"evaluate"} if spec else set())


def test_a_count_that_is_raised_while_a_stage_runs_throws_nothing_away():
    cluster = MemoryCluster()
    cluster.add_run(a_run(**DISABLED))
    settle(cluster)
    while states(status_of(cluster))["train-acsft"] != "Running":
        cluster.tick()
        settle(cluster)
    before = names(cluster)
    more = made_by(cluster, count=1, ignoreCache=True)
    assert more == [f"{stage}-1" for stage in STAGES[STAGES.index("train-acsft") + 1 :]]
    assert before.items() - names(cluster).items() <= {(name, "") for name in STAGES}


def test_a_retry_that_ignores_the_cache_names_only_what_it_makes_anew():
    work = Failing("train-acsft-1")
    cluster = ended(work)
    before = names(cluster)
    work.failing.clear()
    anew = list(STAGES[STAGES.index("train-acsft-1") :])
    assert made_by(cluster, count=1, ignoreCache=True) == [
        f"{stage}-{2 if stage == 'train-acsft-1' else 1}" for stage in anew
    ]
    after = names(cluster)
    assert [name for name in STAGES if after[name] != before[name]] == anew
    acted = {"count": 1, "fromStage": "train-acsft-1", "ignoreCache": True}
    assert status_of(cluster)["retry"] == acted
    assert made_by(cluster, count=1) == []  # acted on once: what is taken back changes nothing
    assert names(cluster) == after


def test_what_is_changed_in_retry_while_a_retry_runs_does_not_touch_it():
    work = Failing("sample-1")
    cluster = ended(work)
    work.failing.clear()
    cluster.change_spec("quickstart", retry={"count": 1, "ignoreCache": True})
    settle(cluster)
    cluster.tick()
    settle(cluster)
    assert states(status_of(cluster))["sample-1"] == "Running"
    anew = names(cluster)["sample-1"]
    assert "sample-1-3" not in made_by(cluster, count=2, fromStage="prepare")
    assert (names(cluster)["sample-1"], status_of(cluster)["phase"]) == (anew, "Succeeded")


def test_retries_of_a_stage_that_was_given_up_and_retried_add_up():
    work = Failing("evaluate", code=1)
    cluster = ended(work)
    assert retries(cluster) == {"evaluate": 2}
    work.failing.clear()
    assert made_by(cluster, count=1) == ["evaluate-4"]
    evaluate = status_of(cluster)["stages"][-1]
    assert (evaluate["failures"], retries(cluster)) == (0, {"evaluate": 3})


def test_a_retry_of_a_run_that_missed_its_gate_evaluates_again():
    work = Failing(misses_gate=True)
    cluster = ended(work)
    before = names(cluster)
    assert made_by(cluster, count=1) == ["evaluate-2"]
    assert status_of(cluster)["phase"] == "Failed"
    work.misses_gate = False
    assert made_by(cluster, count=2, ignoreCache=True) == ["evaluate-3"]
    assert status_of(cluster)["phase"] == "Succeeded"
    assert retries(cluster) == {}  # no attempt of it went wrong
    assert {n for n, v in names(cluster).items() if v != before[n]} == {"evaluate"}
