"""`steerlm render`: what a run would create, without a cluster."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_operator.api.loading import load_run
from steerlm_operator.cli.render import render, rendered
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.settings import StagePodSettings

ROOT = Path(__file__).parents[3]


def objects(**overrides):
    file = ROOT / "crds/examples/quickstart.yaml"
    run = load_run(file.read_text(encoding="utf-8"), file_name=file.name, overrides=overrides)
    return rendered(run, StagePodSettings())


def jobs(**overrides):
    return {o["metadata"]["labels"]["steerlm.dev/stage"]: o for o in objects(**overrides)[2:]}


def test_a_service_a_policy_and_a_job_a_stage():
    assert [o["kind"] for o in objects()] == ["Service", "NetworkPolicy", *["Job"] * 8]


def test_a_server_that_is_asked_for_is_shown_last():
    kinds = [o["kind"] for o in objects(**{"spec.serve.enabled": True})]
    assert kinds[-3:] == ["Service", "NetworkPolicy", "Deployment"]


def test_each_object_says_for_which_stage_it_is_and_what_it_asks_for(capsys):
    render(ROOT / "crds/examples/a100-efa-kueue.yaml", [], "image:1")
    said = re.findall(r"^# (.*)$", capsys.readouterr().out, re.M)
    assert said[:5] == [
        "llama-helpful: what the operator would create, in this order",
        "Service of all pods of the run",
        "NetworkPolicy of all pods of the run",
        "prepare: 1 pod, 0 GPUs each",
        "train-apm: 1 pod, 8 GPUs each, held until the queue a100 lets it go",
    ]


def test_only_pods_of_the_run_and_the_operator_may_connect():
    """An empty rule would let everybody in; the client drops a misspelt one in silence."""
    (rule,) = objects()[1]["spec"]["ingress"]
    assert len(rule["from"]) == 2


def test_stages_with_gpus_go_to_a100_nodes_and_others_anywhere():
    found = jobs(**{"spec.stages.trainApm.resources.gpus": 8})
    spec = found["train-apm"]["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    assert "nodeSelector" not in found["prepare"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("stage", ["prepare", "annotate", "sample-1"])
def test_pods_that_work_alone_may_run_far_from_each_other(stage):
    placed = {"spec.defaults.cpuPlacement.topologyKey": "rack"}
    found = jobs(**placed, **{"spec.stages.annotate.shards": 4, "spec.stages.sample.shards": 4})
    assert "affinity" not in _pod(found[stage])


def test_nodes_of_a_gang_run_near_each_other_and_near_no_other_pod_of_the_run():
    placed = {"spec.defaults.cpuPlacement.topologyKey": "rack"}
    job = jobs(**placed, **{"spec.stages.trainApm.nodes": 4})["train-apm"]
    (term,) = _pod(job)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    names = ("steerlm.dev/run-uid", "steerlm.dev/stage", "steerlm.dev/attempt")
    labels = job["spec"]["template"]["metadata"]["labels"]
    own = {"matchLabels": {name: labels[name] for name in names}}
    assert term == {"topologyKey": "rack", "labelSelector": own}


def test_nodes_of_a_gang_meet_at_its_first_pod_and_fail_together():
    job = jobs(**{"spec.stages.trainApm.nodes": 4})["train-apm"]
    variables = {v["name"]: v.get("value") for v in _container(job)["env"]}
    name = job["metadata"]["name"]
    assert variables["MASTER_ADDR"] == f"{name}-0.{_pod(job)['subdomain']}"
    assert (job["spec"]["completions"], job["spec"]["backoffLimit"]) == (4, 0)


def test_shards_have_a_budget_each_and_no_meeting_place():
    job = jobs(**{"spec.stages.annotate.shards": 8})["annotate"]
    assert job["spec"]["backoffLimitPerIndex"] == 2
    assert "backoffLimit" not in job["spec"]
    assert "MASTER_ADDR" not in {v["name"] for v in _container(job)["env"]}


def test_a_queue_holds_the_job_and_names_itself():
    job = jobs(**{"spec.queue.localQueue": "a100"})["train-apm"]
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "a100"


def test_secrets_are_mounted_and_never_written():
    job = jobs()["prepare"]
    volume = next(v for v in _pod(job)["volumes"] if v["name"] == "store-credentials")
    assert "s3-credentials" in str(volume["projected"])
    names = {v["name"] for v in _container(job)["env"]}
    assert not names & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@given(
    name=st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True),
    stage=st.sampled_from(["train-acsft-16", "train-permuted", "annotate-16", "prepare"]),
    attempt=st.integers(1, 999),
)
def test_names_of_pods_never_exceed_what_a_host_name_may_have(name: str, stage: str, attempt: int):
    job = RunIdentity("ml", name, "0123456789abcdef").job_name(stage, attempt)
    assert len(f"{job}-999") <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job)


def _pod(job):
    return job["spec"]["template"]["spec"]


def _container(job):
    return _pod(job)["containers"][0]
