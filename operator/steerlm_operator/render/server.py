"""The model server of a run: Deployment, Service, and a NetworkPolicy that lets callers in.

The Deployment is applied again whenever what is rendered here changes; the other two are created
once. Selector and names hold nothing that may ever change.
"""

import hashlib
import json
from typing import Any, Final

from kubernetes.client import (
    V1Deployment,
    V1DeploymentSpec,
    V1DeploymentStrategy,
    V1EnvVar,
    V1HTTPGetAction,
    V1LabelSelector,
    V1NetworkPolicy,
    V1NetworkPolicyIngressRule,
    V1NetworkPolicyPort,
    V1NetworkPolicySpec,
    V1ObjectMeta,
    V1PodSpec,
    V1PodTemplateSpec,
    V1Probe,
    V1RollingUpdateDeployment,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
)

from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.serve import Rollout
from steerlm_operator.core.serving import ServedModel
from steerlm_operator.render import mounts
from steerlm_operator.render.job import owner
from steerlm_operator.render.names import (
    HASH_ANNOTATION,
    MODEL_DIGEST_ANNOTATION,
    MODEL_FINGERPRINT_ANNOTATION,
    ROLE_LABEL,
    RUN_UID_LABEL,
    SERVER_ROLE,
    RunIdentity,
)
from steerlm_operator.render.pod import PodNeeds, pod_spec
from steerlm_operator.render.settings import StagePodSettings

_PORT_NAME: Final = "http"
_SERVICE_PORT: Final = 80
_PROBE_SECONDS: Final = 5
_KEPT_REVISIONS: Final = 2


def server_deployment(
    run: RunIdentity, spec: RunSpec, model: ServedModel, site: StagePodSettings
) -> dict[str, Any]:  # Any: JSON
    """Return the Deployment as the API server takes it, its own hash among its annotations."""
    annotations = {
        MODEL_DIGEST_ANNOTATION: model.digest,
        MODEL_FINGERPRINT_ANNOTATION: model.fingerprint,
    }
    template = V1PodTemplateSpec(
        metadata=V1ObjectMeta(
            labels={**site.pod_labels, **run.server_labels},
            annotations={**site.pod_annotations, **annotations},
        ),
        spec=_pod(run, spec, model, site),
    )
    deployment = V1Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=_metadata(run, annotations),
        spec=V1DeploymentSpec(
            replicas=None if spec.serve.autoscaled else spec.serve.replicas,
            selector=V1LabelSelector(match_labels=_selector(run)),
            strategy=_strategy(spec.serve.rollout),
            progress_deadline_seconds=spec.defaults.pods_ready_timeout_seconds,
            revision_history_limit=_KEPT_REVISIONS,
            template=template,
        ),
    )
    body = _json(deployment)
    text = json.dumps(body, sort_keys=True)
    body["metadata"]["annotations"][HASH_ANNOTATION] = hashlib.sha256(text.encode()).hexdigest()
    return body


def server_service(run: RunIdentity) -> dict[str, Any]:  # Any: JSON
    """Return the Service that callers reach, of those pods that are ready."""
    port = V1ServicePort.model_validate(
        {"name": _PORT_NAME, "port": _SERVICE_PORT, "targetPort": _PORT_NAME}
    )
    return _json(
        V1Service(
            api_version="v1",
            kind="Service",
            metadata=_metadata(run),
            spec=V1ServiceSpec(selector=_selector(run), ports=[port]),
        )
    )


def server_policy(run: RunIdentity) -> dict[str, Any]:  # Any: JSON
    """Return who may call: everybody, on the server's one port; the run's own policy adds to it."""
    port = V1NetworkPolicyPort.model_validate({"protocol": "TCP", "port": mounts.PORT})
    return _json(
        V1NetworkPolicy(
            api_version="networking.k8s.io/v1",
            kind="NetworkPolicy",
            metadata=_metadata(run),
            spec=V1NetworkPolicySpec(
                pod_selector=V1LabelSelector(match_labels=_selector(run)),
                policy_types=["Ingress"],
                ingress=[V1NetworkPolicyIngressRule(ports=[port])],
            ),
        )
    )


def _pod(run: RunIdentity, spec: RunSpec, model: ServedModel, site: StagePodSettings) -> V1PodSpec:
    """Return a pod like a stage's, but for a container that listens and is started again."""
    resources = spec.serve.resources
    gpu_placement = spec.defaults.gpu_placement or site.gpu_placement
    needs = PodNeeds(
        image=spec.defaults.image or site.image,
        command=(
            *("python", "-m", "steerlm_jobs", "serve", "--name", run.name),
            *("--model", model.uri, f"--digest={model.digest}"),  # it may begin with a hyphen
        ),
        resources=resources,
        placement=gpu_placement if resources.gpus else spec.defaults.cpu_placement,
        environment=tuple((variable.name, variable.value) for variable in spec.defaults.env),
        has_config=False,
        grace_seconds=site.grace_seconds,
    )
    pod = pod_spec(run, spec, needs, site)
    (stage,) = pod.containers
    (port,) = stage.ports or []
    unread = {mounts.REPORT_VARIABLE}
    environment: list[V1EnvVar] = [v for v in stage.env or () if v.name not in unread]
    probe = V1Probe(
        http_get=V1HTTPGetAction.model_validate({"path": "/healthz", "port": _PORT_NAME}),
        period_seconds=_PROBE_SECONDS,
        timeout_seconds=_PROBE_SECONDS,
    )
    server = stage.model_copy(
        update={
            "name": "server",
            "env": environment,
            "ports": [port.model_copy(update={"name": _PORT_NAME})],
            "readiness_probe": probe,
        }
    )
    return pod.model_copy(
        update={"restart_policy": "Always", "subdomain": None, "containers": [server]}
    )


def _strategy(rollout: Rollout) -> V1DeploymentStrategy:
    """Return how pods are replaced: one after another, the old one first unless GPUs are spare."""
    surge = 1 if rollout is Rollout.SURGE else 0
    update = V1RollingUpdateDeployment.model_validate(
        {"maxSurge": surge, "maxUnavailable": 1 - surge}
    )
    return V1DeploymentStrategy(type="RollingUpdate", rolling_update=update)


def _selector(run: RunIdentity) -> dict[str, str]:
    return {RUN_UID_LABEL: run.uid, ROLE_LABEL: SERVER_ROLE}


def _metadata(run: RunIdentity, annotations: dict[str, str] | None = None) -> V1ObjectMeta:
    return V1ObjectMeta(
        name=run.server_name,
        namespace=run.namespace,
        labels=run.server_labels,
        annotations=annotations,
        owner_references=[owner(run)],
    )


def _json(value: V1Deployment | V1Service | V1NetworkPolicy) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = value.model_dump(by_alias=True, exclude_none=True, mode="json")
    return found
