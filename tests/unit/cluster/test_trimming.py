"""What the cache keeps: all that passes read, and not what makes objects large."""

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


def test_a_job_keeps_all_but_its_template_its_config_and_who_set_which_field():
    job = with_all(a_job(), template={"spec": {}}, suspend=True, completions=2)
    before = deepcopy(job)
    kept = trimmed(Resource.JOBS, job)
    assert job == before
    assert kept["spec"] == {**a_job().get("spec", {}), "suspend": True, "completions": 2}
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
