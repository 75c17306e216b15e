"""`steerlm render`: what the operator would create for a run, without a cluster."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from steerlm_jobs.contract.config import StageInput, artifact_uri
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.cli.sources import overrides_of, read_text
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import StageId, stage_graph
from steerlm_operator.core.observed import Launch
from steerlm_operator.core.policies import environment
from steerlm_operator.core.serving import ServedModel
from steerlm_operator.crd.for_cluster import load_run_for_cluster
from steerlm_operator.render.job import as_json, stage_job
from steerlm_operator.render.names import QUEUE_LABEL, STAGE_LABEL, RunIdentity
from steerlm_operator.render.network import network_policy_json, service_json
from steerlm_operator.render.server import server_deployment, server_policy, server_service
from steerlm_operator.render.settings import StagePodSettings

_UID: Final = "00000000-0000-0000-0000-000000000000"
_LATER: Final = "known-at-run-time"


def render(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SteerLMRun, as YAML.")],
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Change a field first, as `run` does."),
    ] = [],  # noqa: B006  # typer copies it
    image: Annotated[
        str, typer.Option(help="Image of the stages where the run names none; else the chart's.")
    ] = StagePodSettings().image,
) -> None:
    """Print what the operator would create: Service, policy, first Job of each stage, server.

    A run that a cluster would refuse is refused here, too, as by `steerlm lint --cluster`: each
    error with field, line and what to write; exit code 10.

    Uid and fingerprints are known only at run time and stand as placeholders. It asks no cluster;
    `| kubectl apply --dry-run=server -f -` asks one whether it would take them.

    Examples:
    steerlm render crds/examples/quickstart.yaml

    steerlm render my.yaml --set spec.stages.trainAcsft.nodes=4
    """
    changed = overrides_of(changes)
    run = load_run_for_cluster(read_text(file), file_name=str(file), overrides=changed)
    print(f"# {run.metadata.name}: what the operator would create, in this order")
    for body in rendered(run, StagePodSettings(image=image)):
        print(f"---\n# {_said_of(body)}")
        print(yaml.safe_dump(body, sort_keys=False, width=100), end="")


def rendered(run: SteerLMRun, site: StagePodSettings) -> list[dict[str, Any]]:
    """Return the objects in the order in which they would be created."""
    identity = RunIdentity(run.metadata.namespace or "default", run.metadata.name, _UID)
    jobs = [as_json(stage_job(identity, run.spec, action, site)) for action in _launches(run)]
    shared = [service_json(identity), network_policy_json(identity, site)]
    return [*shared, *jobs, *_server(identity, run, site)]


def _server(identity: RunIdentity, run: SteerLMRun, site: StagePodSettings) -> list[dict[str, Any]]:
    if not run.spec.serve.enabled:
        return []
    prefix = run.spec.storage.prefix.rstrip("/")
    uri = artifact_uri(prefix, StageKind.TRAIN_ACSFT, _LATER)
    deployment = server_deployment(identity, run.spec, ServedModel(uri, _LATER, _LATER), site)
    return [server_service(identity), server_policy(identity), deployment]


def _said_of(body: dict[str, Any]) -> str:  # Any: JSON
    """Return one line for people: which stage, and what it asks the cluster for."""
    if body["kind"] != "Job":
        return f"{body['kind']} of all pods of the run"
    spec, labels = body["spec"], body["metadata"]["labels"]
    (container,) = spec["template"]["spec"]["containers"]
    gpus = container["resources"].get("limits", {}).get("nvidia.com/gpu", "0")
    pods = spec["completions"]
    queue = (
        f", held until the queue {labels[QUEUE_LABEL]} lets it go" if spec.get("suspend") else ""
    )
    size = (
        f"{pods} {'pod' if pods == 1 else 'pods'}, {gpus} {'GPU' if gpus == '1' else 'GPUs'} each"
    )
    return f"{labels[STAGE_LABEL]}: {size}{queue}"


def _launches(run: SteerLMRun) -> list[Launch]:
    prefix = run.spec.storage.prefix.rstrip("/")
    inputs: dict[StageId, StageInput] = {}
    found = []
    for stage in stage_graph(run.spec):
        config = stage_config(run.spec, stage, inputs, prefix=prefix, run_uid=_UID, attempt=1)
        found.append(Launch(stage.id, 1, config, environment(run.spec, stage)))
        inputs[stage.id] = StageInput(
            stage=stage.id,
            kind=stage.kind,
            iteration=stage.iteration,
            uri=artifact_uri(prefix, stage.kind, _LATER),
            fingerprint=_LATER,
            digest=_LATER,
        )
    return found
