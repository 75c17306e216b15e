"""The policy of an installation: who waits, what goes on, and that it recovers by itself."""

from typing import Any

from steerlm_operator.cluster.admission import denied
from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.cache import Cache, RunKey
from steerlm_operator.core.admission import Policy
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster
from tests.scenario.runs import a_run as a_parsed_run
from tests.scenario.test_operator import a_run, launched, run_to_end, settle, status_of

SITE = StagePodSettings()
IMAGES = Policy(allowed_images=("registry.example/",))
ONE = Policy(active_runs_per_namespace=1)


def under(policy: Policy, cluster: MemoryCluster) -> None:
    settle(cluster, SITE, policy)


def condition(cluster: MemoryCluster, kind: str, name: str = "quickstart") -> tuple[str, str, str]:
    status = cluster.object(Resource.RUNS, name)["status"]
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found["message"]


def named(name: str, **spec: Any) -> dict[str, Any]:
    return {**a_run(**spec), "metadata": {"name": name}}


def test_a_run_against_the_policy_starts_nothing_and_says_why():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"image": "evil:1"}))
    under(IMAGES, cluster)
    message = "spec.defaults.image: evil:1 is not in policy.allowedImages: registry.example/"
    assert condition(cluster, "Accepted") == ("False", "PolicyDenied", message)
    assert condition(cluster, "Progressing") == ("False", "PolicyDenied", message)
    assert condition(cluster, "Succeeded")[0] == "Unknown"
    assert status_of(cluster)["phase"] == "Pending"
    assert "startTime" not in status_of(cluster)
    assert "resolved" not in status_of(cluster)
    assert cluster.created == []


def test_it_starts_once_the_policy_allows_it():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"image": "evil:1"}))
    under(IMAGES, cluster)
    assert run_to_end(cluster)["phase"] == "Succeeded"
    assert condition(cluster, "Accepted")[:2] == ("True", "Accepted")


def test_a_waiting_run_costs_no_writes():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"image": "evil:1"}))
    under(IMAGES, cluster)
    before = len(cluster.writes)
    for _ in range(3):
        cluster.tick(31)
        under(IMAGES, cluster)
    assert len(cluster.writes) == before


def test_a_stricter_policy_lets_the_attempt_go_on_and_starts_no_other():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"image": "evil:1"}))
    settle(cluster)
    cluster.tick()
    under(IMAGES, cluster)
    assert condition(cluster, "Accepted")[:2] == ("False", "PolicyDenied")
    assert condition(cluster, "Progressing")[0] == "True"
    cluster.tick()
    under(IMAGES, cluster)
    assert status_of(cluster)["stages"][0]["state"] == "Succeeded"
    assert condition(cluster, "Progressing")[:2] == ("False", "PolicyDenied")
    assert len(launched(cluster)) == 1
    assert run_to_end(cluster)["phase"] == "Succeeded"


def test_shutdown_ends_a_run_that_is_denied():
    cluster = MemoryCluster()
    cluster.add_run(a_run(defaults={"image": "evil:1"}))
    under(IMAGES, cluster)
    cluster.change_spec("quickstart", shutdown="Stop")
    under(IMAGES, cluster)
    assert status_of(cluster)["phase"] == "Stopped"


def test_a_second_run_waits_until_the_first_has_ended():
    cluster = MemoryCluster()
    cluster.add_run(named("quickstart"))
    under(ONE, cluster)
    cluster.add_run(named("second"))
    under(ONE, cluster)
    assert condition(cluster, "Accepted", "second")[:2] == ("False", "PolicyDenied")
    for _ in range(40):
        cluster.tick(31)
        under(ONE, cluster)
    assert status_of(cluster)["phase"] == "Succeeded"
    assert condition(cluster, "Succeeded", "second")[0] == "True"
    last_of_first = max(i for i, n in enumerate(launched(cluster)) if n.startswith("quickstart"))
    first_of_second = min(i for i, n in enumerate(launched(cluster)) if n.startswith("second"))
    assert last_of_first < first_of_second


def test_a_suspended_run_keeps_its_place():
    cluster = MemoryCluster()
    cluster.add_run(named("quickstart", suspend=True))
    under(ONE, cluster)
    cluster.add_run(named("second"))
    under(ONE, cluster)
    assert condition(cluster, "Accepted", "second")[:2] == ("False", "PolicyDenied")


def test_of_two_runs_that_are_looked_at_together_one_is_let_in():
    """Their passes overlap: neither is recorded as accepted when the other is judged."""
    admitted: set[RunKey] = set()
    spec = a_parsed_run().spec
    whys = [denied(RunKey("ml", n), spec, None, known(), ONE, admitted) for n in ("a", "b")]
    assert [bool(why) for why in whys] == [False, True]
    assert denied(RunKey("other", "c"), spec, None, known(), ONE, admitted) == ""


def known() -> Cache:
    """Return a cache of three runs that nobody has looked at."""
    cache = Cache()
    for number, (namespace, name) in enumerate((("ml", "a"), ("ml", "b"), ("other", "c"))):
        metadata = {"namespace": namespace, "name": name, "uid": f"uid-{number}"}
        cache.observe(Resource.RUNS, {"metadata": {**metadata, "resourceVersion": "1"}})
    return cache
