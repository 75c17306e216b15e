from kubernetes.client import V1Job

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import Stage, stage_graph
from steerlm_operator.core.observed import Launch
from steerlm_operator.render.job import stage_job
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.runs import PREFIX, RUN_UID, a_run

JUDGE = {"endpointUrl": "https://judge/v1", "model": "j", "secretName": "my-judge"}
RUN = a_run(stages={"evaluate": {"judge": JUDGE}})


def job_of(stage: Stage) -> V1Job:
    inputs = {
        name: StageInput(stage=name, kind=StageKind.PREPARE, uri="u", fingerprint="f", digest="d")
        for name in stage.inputs
    }
    config = stage_config(RUN.spec, stage, inputs, prefix=PREFIX, run_uid=RUN_UID, attempt=1)
    identity = RunIdentity("ml", "a", RUN_UID)
    return stage_job(identity, RUN.spec, Launch(stage.id, 1, config), StagePodSettings())


def test_the_judges_key_is_mounted_where_it_is_needed_and_nowhere_else() -> None:
    holders = {}
    for stage in stage_graph(RUN.spec):
        pod = job_of(stage).spec.template.spec
        (container,) = pod.containers
        sources = [s.secret for v in pod.volumes if v.projected for s in v.projected.sources]
        secrets = [(s.name, [item.key for item in s.items]) for s in sources]
        folder = [e.value for e in container.env if e.name == "STEERLM_JUDGE_KEY_DIR"]
        mounted = [m.mount_path for m in container.volume_mounts if m.name == "judge-key"]
        assert folder == mounted
        holders |= {stage.id: secrets} if secrets else {}
    assert holders == {"evaluate": [("my-judge", ["apiKey"])]}
