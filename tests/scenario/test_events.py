"""What is told in Events: each thing once."""

from steerlm_operator.cluster.api import Resource
from tests.quickstart import STAGES
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.test_operator import a_run, settle
from tests.scenario.test_retry import Failing, ended


def told(cluster: MemoryCluster) -> list[tuple[str, str, str]]:
    """Return type, reason and message of each Event, but of stages that run or have succeeded."""
    events = cluster.objects(Resource.EVENTS)
    found = [(event["type"], event["reason"], event["message"]) for event in events]
    return [one for one in found if one[1] not in {"StageRunning", "StageSucceeded"}]


ACCEPTED = ("Normal", "Accepted", "the spec is valid")


def test_a_spec_that_is_refused_is_told_once():
    cluster = MemoryCluster()
    cluster.add_run(a_run(serve={"engine": "Vllm"}))
    settle(cluster)
    ((kind, reason, message),) = told(cluster)
    assert (kind, reason) == ("Warning", "InvalidSpec")
    assert message.startswith("spec.serve.engine: ")


def test_a_stage_that_is_given_up_is_told_once_with_its_attempt_and_ends_the_run():
    given_up = "train-apm, attempt 1 (BadInput): bad input"
    assert told(ended(Failing("train-apm"))) == [ACCEPTED, ("Warning", "StageFailed", given_up)]


def test_an_end_that_no_stage_tells_is_told_of_the_run():
    missed = ended(Failing(misses_gate=True))
    assert [one[:2] for one in told(missed)] == [ACCEPTED[:2], ("Warning", "GateFailed")]
    good = ("Normal", "RunSucceeded", f"all {len(STAGES)} stages have a result")
    assert told(ended()) == [ACCEPTED, good]


def test_a_run_that_is_ended_says_so():
    assert ("Warning", "Terminated") in {one[:2] for one in told(ended(shutdown="Terminate"))}
