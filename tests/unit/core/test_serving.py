"""When a model is served, and what is said of its server."""

from datetime import timedelta

import pytest

from steerlm_operator.api.conditions import Condition, ConditionStatus, ConditionType
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.serving import ServingStatus
from steerlm_operator.api.status import ArtifactRef, RunStatus, StageState, StageStatus
from steerlm_operator.core.expiry import expiry
from steerlm_operator.core.observed import Wait
from steerlm_operator.core.serving import (
    ServedModel,
    Server,
    Wish,
    final_model,
    wish,
    with_serving,
)
from tests.scenario.runs import a_run
from tests.scenario.world import START as NOW

URL = "http://server"
SERVER = Server(model_digest="d", replicas=2, ready_replicas=2, is_rolled_out=True)


def spec(*, enabled=True, suspend=False, **more):
    return a_run(serve={"enabled": enabled}, suspend=suspend, **more).spec


def a_status(state=StageState.SUCCEEDED, reason=None, **more) -> RunStatus:
    artifact = ArtifactRef(uri="s3://m", digest="d")
    stages = (
        StageStatus(name="train-acsft", state=StageState.SUCCEEDED, artifact=artifact),
        StageStatus(
            name="train-acsft-1",
            state=StageState.CACHED,
            fingerprint="f",
            artifact=ArtifactRef(uri="s3://m1", digest="d1"),
        ),
        StageStatus(name="evaluate", state=state, reason=reason),
    )
    return RunStatus(stages=stages, **more)


@pytest.mark.parametrize(
    ("given", "status", "expected"),
    [
        (spec(), a_status(), Wish.SERVE),
        (spec(), a_status(StageState.CACHED), Wish.SERVE),
        (spec(), a_status(StageState.RUNNING), Wish.KEEP),
        (spec(), a_status(reason=Reason.GATE_FAILED), Wish.KEEP),
        (spec(), a_status(StageState.FAILED, Reason.STAGE_CRASHED), Wish.KEEP),
        (spec(), a_status(StageState.CANCELLED, Reason.TERMINATED), Wish.KEEP),
        (spec(suspend=True), a_status(), Wish.STOP),
        (spec(enabled=False), a_status(), Wish.STOP),
        (spec(enabled=False), a_status(StageState.RUNNING), Wish.STOP),
    ],
)
def test_only_a_run_that_succeeded_serves_and_a_failure_leaves_what_is_served(
    given, status, expected
):
    assert wish(given, status) is expected


def test_the_final_model_is_the_last_iterations():
    assert final_model(spec(), a_status()) == ServedModel("s3://m1", "f", "d1")
    baselines = {"evaluate": {"baselines": ["PlainSft"]}}
    assert final_model(spec(stages=baselines), a_status()) == ServedModel("s3://m1", "f", "d1")
    assert final_model(spec(bootstrap={"iterations": 2}), a_status()) is None


def server(**more) -> Server:
    values = {"model_digest": "d", "replicas": 2, "ready_replicas": 1, "is_rolled_out": False}
    return Server(**{**values, **more})


@pytest.mark.parametrize(
    ("found", "status", "reason", "message"),
    [
        (SERVER, "True", Reason.SERVING, ""),
        (server(is_rolled_out=True), "True", Reason.SERVING, ""),
        (server(), "False", Reason.ROLLING_OUT, "1 of 2 replicas ready"),
        (
            server(is_rolled_out=True, ready_replicas=0, why="Unschedulable: no GPU"),
            "False",
            Reason.ROLLING_OUT,
            "0 of 2 replicas ready; Unschedulable: no GPU",
        ),
        (server(is_stalled=True), "False", Reason.ROLLOUT_STALLED, "1 of 2 replicas ready"),
        (server(replicas=0), "False", Reason.NOT_SERVING, "no replicas are asked for"),
        (None, "False", Reason.ROLLING_OUT, "the server is about to start"),
    ],
)
def test_the_condition_says_how_far_the_server_is(found, status, reason, message):
    given = with_serving(spec(), a_status(), found, URL, NOW)
    (condition,) = given.conditions
    assert (condition.status, condition.reason, condition.message) == (status, reason, message)
    ready = None if found is None else found.ready_replicas
    assert (given.serving and given.serving.ready_replicas) == ready


def test_what_the_server_refuses_is_the_reason():
    refusal = Wait(Reason.SERVER_REFUSED, "exceeded quota")
    given = with_serving(spec(), a_status(), None, URL, NOW, refusal)
    assert given.conditions[0].reason is Reason.SERVER_REFUSED


def test_nothing_is_said_anew_of_a_server_that_did_not_change():
    first = with_serving(spec(), a_status(), SERVER, URL, NOW)
    assert first.serving == ServingStatus(url=URL, model_digest="d", ready_replicas=2)
    assert with_serving(spec(), first, SERVER, URL, NOW + timedelta(hours=1)) == first


def test_a_run_that_serves_does_not_expire_and_then_gets_its_whole_time():
    given = a_run(serve={"enabled": True}, ttlSecondsAfterFinished=10).spec
    off = a_run(ttlSecondsAfterFinished=10).spec
    ended = a_status(completion_time=NOW)
    assert expiry(given, ended) is None
    assert expiry(off, ended) == NOW + timedelta(seconds=10)
    stopped = Condition(
        type=ConditionType.SERVING,
        status=ConditionStatus.FALSE,
        reason=Reason.NOT_SERVING,
        last_transition_time=NOW + timedelta(hours=1),
    )
    ceased = ended.model_copy(update={"conditions": (stopped,)})
    assert expiry(off, ceased) == NOW + timedelta(hours=1, seconds=10)
