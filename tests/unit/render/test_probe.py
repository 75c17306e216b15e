"""The Job that looks for a result: no GPU, no queue, no attempt of its own."""

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import StageId, stage_graph
from steerlm_operator.core.observed import Launch
from steerlm_operator.render.job import as_json, stage_job
from steerlm_operator.render.names import (
    CONFIG_ANNOTATION,
    QUEUE_LABEL,
    ROLE_LABEL,
    STAGE_LABEL,
    RunIdentity,
)
from steerlm_operator.render.probe import probe_job
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.runs import PREFIX, RUN_UID, a_run

RUN = RunIdentity("ml", "a-run-whose-name-has-forty-characters-now", RUN_UID)
SITE = StagePodSettings()


def jobs():
    spec = a_run(
        queue={"localQueue": "a100"},
        stages={"trainApm": {"nodes": 2, "resources": {"gpus": 8, "sharedMemory": "64Gi"}}},
    ).spec
    stage = next(stage for stage in stage_graph(spec) if stage.id == "train-apm")
    data = StageInput(stage="prepare", kind=StageKind.PREPARE, uri="u", fingerprint="f", digest="d")
    config = stage_config(
        spec, stage, {StageId("prepare"): data}, prefix=PREFIX, run_uid=RUN_UID, attempt=3
    )
    launched = Launch(stage.id, 3, config)
    return (
        as_json(stage_job(RUN, spec, launched, SITE)),
        as_json(probe_job(RUN, spec, launched, SITE)),
    )


def test_a_probe_asks_for_one_pod_without_gpus_at_once():
    job, probe = jobs()
    assert probe["spec"]["completions"] == 1
    assert QUEUE_LABEL in job["metadata"]["labels"]
    assert QUEUE_LABEL not in probe["metadata"]["labels"]
    assert "suspend" not in probe["spec"]
    pod = probe["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod
    assert "nvidia.com/gpu" not in str(pod)
    assert pod["containers"][0]["command"][-1] == "--only-existing"


def test_a_probe_is_told_apart_from_the_attempt_it_looks_after():
    job, probe = jobs()
    assert probe["metadata"]["name"] == f"{job['metadata']['name']}p"
    assert len(f"{probe['metadata']['name']}-0") <= 63
    assert probe["metadata"]["labels"][ROLE_LABEL] == "probe"
    assert probe["metadata"]["labels"][STAGE_LABEL] == "train-apm"
    configs = [
        found["spec"]["template"]["metadata"]["annotations"][CONFIG_ANNOTATION]
        for found in (job, probe)
    ]
    assert configs[0] == configs[1]


def test_a_probe_asks_for_what_a_quota_wants_to_be_asked_for():
    _, probe = jobs()
    (container,) = probe["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "1Gi"}


def test_the_controller_ends_a_probe_that_hangs_and_never_one_that_may_still_wait_for_a_node():
    _, probe = jobs()
    assert probe["spec"]["activeDeadlineSeconds"] == 1800 + 600  # of it, podsReadyTimeoutSeconds
