"""The operator's real shell and the server of a model, against a cluster in memory."""

import pytest

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Resource
from steerlm_operator.core.admission import Policy
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster, succeed
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, status_of

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

ANEW = {"count": 1, "ignoreCache": True, "fromStage": "train-acsft-1"}
DIGEST = "steerlm.dev/model-digest"


class Gates:
    """Stages that succeed; evaluate's gate holds or not, as a test says."""

    def __init__(self):
        self.are_missed = False

    def __call__(self, config: StageConfig) -> tuple[int, Report | None]:
        code, report = succeed(config)
        if config.stage == "evaluate" and self.are_missed and report is not None:
            missed = GateResult(metric="meter/jokes/spearman", value=0.1, bound=0.1, passed=False)
            report = report.model_copy(update={"gates": (missed,)})
        return code, report


def serving(**more) -> dict:
    return a_run(serve={"enabled": True, **more})


def condition(cluster: MemoryCluster, kind: str = "Serving") -> tuple[str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def deployment(cluster: MemoryCluster) -> dict:
    (found,) = cluster.objects(Resource.DEPLOYMENTS)
    return found


def final_model(cluster: MemoryCluster) -> str:
    """Return the digest of the run's final model."""
    final = next(s for s in status_of(cluster)["stages"] if s["name"] == "train-acsft-1")
    return str(final["artifact"]["digest"])


def served(work=succeed, **more) -> MemoryCluster:
    """Return a cluster whose run has ended and serves its model."""
    cluster = MemoryCluster(work)
    cluster.add_run(serving(**more))
    run_to_end(cluster)
    cluster.tick()
    settle(cluster)
    assert condition(cluster) == ("True", "Serving")
    return cluster


def go_on(cluster: MemoryCluster, rounds: int = 20) -> None:
    for _ in range(rounds):
        settle(cluster)
        cluster.tick()
    settle(cluster)


def test_a_run_that_succeeded_serves_its_final_model_and_says_where():
    cluster = served(replicas=2)
    status = status_of(cluster)
    final = next(s for s in status["stages"] if s["name"] == "train-acsft-1")
    uid = cluster.object(Resource.RUNS, "quickstart")["metadata"]["uid"]
    assert status["serving"] == {
        "url": f"http://quickstart-{uid[:8]}-server.default.svc",
        "modelDigest": final["artifact"]["digest"],
        "readyReplicas": 2,
    }
    (container,) = deployment(cluster)["spec"]["template"]["spec"]["containers"]
    assert container["command"][-2:] == [
        final["artifact"]["uri"],
        f"--digest={final['artifact']['digest']}",
    ]


def test_before_the_end_nothing_is_served():
    cluster = MemoryCluster()
    cluster.add_run(serving())
    settle(cluster)
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert condition(cluster) == ("False", "NotServing")


def test_serving_costs_three_objects_and_three_writes_of_the_status():
    plain, cluster = MemoryCluster(), MemoryCluster()
    plain.add_run(a_run())
    run_to_end(plain)
    cluster.add_run(serving())
    run_to_end(cluster)
    cluster.tick()
    settle(cluster)

    def writes(of: MemoryCluster) -> list:
        return [resource for _, resource in of.writes if resource is not Resource.EVENTS]

    more = writes(cluster)
    for resource in writes(plain):
        more.remove(resource)
    # The pass that records the end applies the server, too; then it becomes ready.
    assert sorted(more) == ["deployments", "networkpolicies", "services", "steerlmruns"]
    events = [e["reason"] for e in cluster.objects(Resource.EVENTS)]
    assert events[-2:] == ["RollingOut", "Serving"]


def test_a_server_that_is_as_it_should_be_is_not_applied_again():
    cluster = served()
    before = list(cluster.writes)
    go_on(cluster, 3)
    assert cluster.writes == before


def test_an_upgraded_operator_restarts_no_server():
    cluster = served()
    before = deployment(cluster)["metadata"]["resourceVersion"]
    settle(cluster, StagePodSettings(image="steerlm-jobs:next"))
    assert deployment(cluster)["metadata"]["resourceVersion"] == before


def test_a_run_that_missed_its_gate_serves_the_model_of_a_retry_that_passed():
    gates = Gates()
    gates.are_missed = True
    cluster = MemoryCluster(gates)
    cluster.add_run(serving())
    run_to_end(cluster)
    go_on(cluster, 2)
    assert condition(cluster, "Succeeded") == ("False", "GateFailed")
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert condition(cluster) == ("False", "NotServing")
    missed = final_model(cluster)
    gates.are_missed = False
    cluster.change_spec("quickstart", retry=ANEW)
    go_on(cluster)
    assert condition(cluster, "Succeeded") == ("True", "RunSucceeded")
    passed = final_model(cluster)
    assert passed != missed
    assert deployment(cluster)["metadata"]["annotations"][DIGEST] == passed
    assert status_of(cluster)["serving"]["modelDigest"] == passed
    assert condition(cluster) == ("True", "Serving")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"serve": {"enabled": False}}, "NotServing"), ({"suspend": True}, "Suspended")],
)
def test_a_server_goes_when_it_is_not_wanted_and_comes_back(change: dict, reason: str):
    cluster = served()
    cluster.change_spec("quickstart", **change)
    go_on(cluster, 2)
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert condition(cluster) == ("False", reason)
    assert "serving" not in status_of(cluster)
    cluster.change_spec("quickstart", serve={"enabled": True}, suspend=False)
    go_on(cluster, 2)
    assert condition(cluster) == ("True", "Serving")


def test_a_change_of_serve_is_applied_to_the_same_deployment():
    cluster = served()
    uid = deployment(cluster)["metadata"]["uid"]
    cluster.change_spec("quickstart", serve={"enabled": True, "replicas": 3})
    go_on(cluster, 2)
    assert status_of(cluster)["serving"]["readyReplicas"] == 3
    assert deployment(cluster)["metadata"]["uid"] == uid


def test_a_deployment_that_somebody_deletes_comes_back():
    cluster = served()
    cluster._remove(Resource.DEPLOYMENTS, deployment(cluster))
    go_on(cluster, 2)
    assert condition(cluster) == ("True", "Serving")


def test_a_rollout_that_stalls_is_named():
    cluster = served()
    cluster.stall(deployment(cluster))
    settle(cluster)
    assert condition(cluster) == ("False", "RolloutStalled")
    assert cluster.objects(Resource.EVENTS)[-1]["type"] == "Warning"
    go_on(cluster, 2)
    assert condition(cluster) == ("True", "Serving")


def test_a_server_that_the_api_refuses_is_told_and_tried_again():
    cluster = MemoryCluster()
    cluster.refuses_deployments = True
    cluster.add_run(serving())
    run_to_end(cluster)
    assert condition(cluster, "Succeeded") == ("True", "RunSucceeded")
    assert condition(cluster) == ("False", "ServerRefused")
    cluster.refuses_deployments = False
    go_on(cluster, 2)
    assert condition(cluster) == ("True", "Serving")


def test_a_service_of_somebody_else_is_not_taken():
    cluster = MemoryCluster()
    uid = cluster.add_run(serving())["metadata"]["uid"]
    name = f"quickstart-{uid[:8]}-server"
    cluster.add(Resource.SERVICES, {"metadata": {"name": name, "namespace": "default"}})
    run_to_end(cluster)
    assert condition(cluster) == ("False", "JobNameConflict")
    assert cluster.objects(Resource.DEPLOYMENTS) == []


def test_time_after_the_end_stands_still_while_the_run_serves():
    cluster = MemoryCluster()
    run = serving()
    run["spec"]["ttlSecondsAfterFinished"] = 3600
    cluster.add_run(run)
    run_to_end(cluster)
    cluster.tick(7200)
    settle(cluster)
    cluster.change_spec("quickstart", serve={"enabled": False})
    settle(cluster)
    assert cluster.objects(Resource.RUNS)
    cluster.tick(3601)
    go_on(cluster, 1)
    assert cluster.objects(Resource.RUNS) == []


def test_an_operator_that_is_killed_anywhere_ends_with_one_server():
    for number in range(40):
        for is_applied in (False, True):
            cluster = MemoryCluster()
            cluster.add_run(serving())
            run = cluster.object(Resource.RUNS, "quickstart")
            while run["status"].get("currentStage") != "evaluate":
                settle(cluster)
                cluster.tick()
            cluster.kill_at = cluster.num_calls + number
            cluster.is_applied_before_kill = is_applied
            go_on(cluster, 6)
            assert condition(cluster) == ("True", "Serving")
            assert len(launched(cluster)) == len(set(launched(cluster)))


POLICY = Policy(priority_classes=("low",), max_nodes=2)
HIGH = {"cpuPlacement": {"priorityClassName": "high"}}
DENIED = "spec.defaults.cpuPlacement.priorityClassName: high is not in policy.priorityClasses: low"


def told(cluster: MemoryCluster, kind: str) -> tuple[str, str, str]:
    found = next(c for c in status_of(cluster)["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found["message"]


def test_a_server_that_the_policy_is_against_is_not_started_until_it_may():
    cluster = MemoryCluster()
    cluster.add_run(a_run())
    run_to_end(cluster)
    cluster.change_spec("quickstart", serve={"enabled": True}, defaults=HIGH)
    settle(cluster, policy=POLICY)
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert told(cluster, "Serving") == ("False", "PolicyDenied", DENIED)
    assert told(cluster, "Accepted") == ("False", "PolicyDenied", DENIED)
    assert condition(cluster, "Succeeded") == ("True", "RunSucceeded")
    before = list(cluster.writes)
    cluster.tick(31)
    settle(cluster, policy=POLICY)
    assert cluster.writes == before
    settle(cluster)
    cluster.tick()
    settle(cluster)
    assert condition(cluster) == ("True", "Serving")
    assert condition(cluster, "Accepted") == ("True", "Accepted")


def test_a_change_that_the_policy_is_against_leaves_the_server_as_it_is():
    cluster = served(replicas=2)
    before = deployment(cluster)
    cluster.change_spec("quickstart", serve={"enabled": True, "replicas": 3})
    settle(cluster, policy=POLICY)
    assert deployment(cluster) == before
    message = "spec.serve.replicas: 3 is above policy.maxNodes, 2"
    assert told(cluster, "Serving") == ("True", "PolicyDenied", message)
    cluster.change_spec("quickstart", serve={"enabled": False})
    settle(cluster, policy=POLICY)
    cluster.tick()
    settle(cluster, policy=POLICY)
    assert cluster.objects(Resource.DEPLOYMENTS) == []
    assert condition(cluster) == ("False", "NotServing")
