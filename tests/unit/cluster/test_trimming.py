"""What the cache keeps: all that passes read, and not what makes objects large."""

import json
from copy import deepcopy

from steerlm_operator.cluster.api import Resource
from steerlm_operator.cluster.cache import Cache
from steerlm_operator.cluster.trimming import trimmed
from tests.unit.cluster.objects import a_job, a_pod, a_run

INDEX = "batch.kubernetes.io/job-completion-index"
CONFIG = {"steerlm.dev/stage-config": "{...}" * 1000}
OWNERS = {"managedFields": [{"manager": "steerlm-operator", "fieldsV1": {}}]}


def with_all(found, **spec):
    found = deepcopy(found)
    found["metadata"] |= {"annotations": {**CONFIG, INDEX: "0"}, **OWNERS}
    found["spec"] = {**found.get("spec", {}), **spec}
    return found


def test_a_job_keeps_what_is_read_of_its_spec_its_labels_and_its_status():
    read = {"suspend": True, "completions": 2, "backoffLimitPerIndex": 1}
    job = with_all(a_job(), template={"spec": {}}, podFailurePolicy={"rules": []}, **read)
    before = deepcopy(job)
    kept = trimmed(Resource.JOBS, job)
    assert job == before
    assert kept["spec"] == read
    assert kept["status"] == job["status"]
    assert kept["metadata"] == a_job()["metadata"]


def test_a_pod_keeps_its_node_its_index_and_its_status():
    pod = with_all(a_pod(a_job()), nodeName="gpu-0", containers=[{"name": "stage"}])
    kept = trimmed(Resource.PODS, pod)
    assert kept["spec"] == {"nodeName": "gpu-0"}
    assert kept["metadata"]["annotations"] == {INDEX: "0"}
    assert kept["status"] == pod["status"]
    assert "managedFields" not in kept["metadata"]


def test_a_run_keeps_its_spec_and_annotations():
    run = a_run()
    run["metadata"] |= {"annotations": {"steerlm.dev/reconcile": "disabled"}, **OWNERS}
    kept = trimmed(Resource.RUNS, run)
    assert {**kept, "metadata": {**kept["metadata"], **OWNERS}} == run


def test_the_cache_holds_trimmed_objects():
    cache = Cache()
    cache.observe(Resource.JOBS, with_all(a_job(), template={"spec": {}}))
    (job,) = cache.owned(Resource.JOBS, "run-uid")
    assert "template" not in job["spec"]


def test_words_that_are_the_same_in_many_objects_are_kept_once():
    first, second = (
        trimmed(Resource.PODS, json.loads(json.dumps(a_pod(a_job())))) for _ in range(2)
    )
    assert all(a is b for a, b in zip(words(first), words(second), strict=True))
    message = "x" * 1000
    kept = trimmed(Resource.RUNS, {"metadata": {}, "status": {"message": message}})
    assert kept["status"]["message"] is message


def words(value: object) -> list[str]:
    """Return all names and short texts of an object."""
    if isinstance(value, dict):
        return [*value, *(word for inner in value.values() for word in words(inner))]
    if isinstance(value, list):
        return [word for inner in value for word in words(inner)]
    return [value] if isinstance(value, str) and len(value) <= 64 else []
