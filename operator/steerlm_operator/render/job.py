"""The Job of one attempt: an Indexed Job that starts all of its pods, or none."""

from typing import Any, Final

from kubernetes.client import (
    V1Job,
    V1JobSpec,
    V1ObjectMeta,
    V1OwnerReference,
    V1PodFailurePolicy,
    V1PodFailurePolicyOnExitCodesRequirement,
    V1PodFailurePolicyOnPodConditionsPattern,
    V1PodFailurePolicyRule,
    V1PodTemplateSpec,
)

from steerlm_jobs.contract.errors import NEVER_RETRIED, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.placement import Placement, QueueSpec, Resources
from steerlm_operator.api.run import API_VERSION, KIND, RunSpec
from steerlm_operator.api.stages import (
    AnnotateSettings,
    SampleSettings,
    StageSettings,
)
from steerlm_operator.core.configs import stage_settings
from steerlm_operator.core.observed import Launch
from steerlm_operator.core.policies import num_pods as pods_of
from steerlm_operator.render import mounts
from steerlm_operator.render.names import (
    ATTEMPT_LABEL,
    CONFIG_ANNOTATION,
    QUEUE_LABEL,
    RUN_UID_LABEL,
    STAGE_LABEL,
    WORKLOAD_PRIORITY_LABEL,
    RunIdentity,
)
from steerlm_operator.render.pod import Gang, PodNeeds, pod_spec
from steerlm_operator.render.settings import StagePodSettings

_FINAL: Final = tuple(sorted(int(code) for code in NEVER_RETRIED))
_SHARDED: Final = (AnnotateSettings, SampleSettings)
"""Settings of stages whose pods work independently of each other."""
_EVICTION: Final = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""Pods that look idle, a rank that waits say, are not moved."""


def stage_job(run: RunIdentity, spec: RunSpec, action: Launch, site: StagePodSettings) -> V1Job:
    """Return the Job of an attempt; its name is the run's, the stage's and the attempt's."""
    kind = action.config.kind
    settings = stage_settings(spec, kind)
    labels = {
        **run.stage_labels(action.stage, action.attempt),
        **_queue_labels(settings.queue or spec.queue),
    }
    num_pods, is_sharded = pods_of(settings), isinstance(settings, _SHARDED)
    meeting = _rendezvous(run, action, num_pods, is_sharded=is_sharded)
    placement = _placement(spec, settings, site)
    needs = PodNeeds(
        image=settings.image or spec.defaults.image or site.image,
        command=stage_command(kind),
        resources=settings.resources,
        placement=placement,
        environment=(*action.environment, *meeting),
        grace_seconds=site.grace_seconds,
        gang=None if num_pods == 1 or is_sharded else _gang(placement, labels),
        judge_secret=action.config.execution.judge_secret_name,
    )
    execution = action.config.execution.model_copy(
        update={"num_shards": num_pods if is_sharded else 1}
    )
    config = action.config.model_copy(update={"execution": execution})
    config_text = config.model_dump_json(by_alias=True)
    template = V1PodTemplateSpec(
        metadata=V1ObjectMeta(
            labels={**site.pod_labels, **labels},
            annotations={**site.pod_annotations, **_EVICTION, CONFIG_ANNOTATION: config_text},
        ),
        spec=pod_spec(run, spec, needs, site),
    )
    budget = (settings.retry or spec.defaults.retry).limit if is_sharded else None
    return V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=V1ObjectMeta(
            name=run.job_name(action.stage, action.attempt),
            namespace=run.namespace,
            labels=labels,
            owner_references=[owner(run)],
        ),
        spec=V1JobSpec(
            completion_mode="Indexed",
            completions=num_pods,
            parallelism=num_pods,
            suspend=True if QUEUE_LABEL in labels else None,
            backoff_limit=None if is_sharded else 0,
            backoff_limit_per_index=budget,
            max_failed_indexes=0 if is_sharded else None,
            pod_replacement_policy="Failed",
            pod_failure_policy=_failure_policy(is_sharded=is_sharded),
            template=template,
        ),
    )


def owner(run: RunIdentity) -> V1OwnerReference:
    """Return the reference by which the run's end takes its objects along."""
    return V1OwnerReference(
        api_version=API_VERSION,
        kind=KIND,
        name=run.name,
        uid=run.uid,
        controller=True,
        block_owner_deletion=True,
    )


def as_json(value: V1Job | V1PodTemplateSpec) -> dict[str, Any]:  # Any: JSON
    """Return an object as the API server takes it."""
    found: dict[str, Any] = value.model_dump(by_alias=True, exclude_none=True, mode="json")
    return found


def stage_command(kind: StageKind) -> tuple[str, ...]:
    """Return what the container of a stage runs."""
    program = ("python", "-m", "steerlm_jobs")
    config = ("--config", f"$({mounts.CONFIG_VARIABLE})")
    return (*program, kind.value, *config)


def _placement(spec: RunSpec, settings: StageSettings, site: StagePodSettings) -> Placement:
    if settings.placement is not None:
        return settings.placement
    if _has_gpus(settings.resources):
        return spec.defaults.gpu_placement or site.gpu_placement
    return spec.defaults.cpu_placement


def _gang(placement: Placement, labels: dict[str, str]) -> Gang | None:
    """Return what keeps the pods of one attempt together; other pods of the run do not matter."""
    if not placement.topology_key:
        return None
    own = {name: labels[name] for name in (RUN_UID_LABEL, STAGE_LABEL, ATTEMPT_LABEL)}
    return Gang(placement.topology_key, own)


def _rendezvous(
    run: RunIdentity, action: Launch, num_pods: int, *, is_sharded: bool
) -> tuple[tuple[str, str], ...]:
    """Return where the ranks of a gang meet: its first pod, by its name in the run's Service."""
    if num_pods == 1 or is_sharded:
        return ()
    first = f"{run.job_name(action.stage, action.attempt)}-0.{run.service_name}"
    return (("MASTER_ADDR", first), ("MASTER_PORT", str(mounts.RENDEZVOUS_PORT)))


def _has_gpus(resources: Resources) -> bool:
    return resources.gpus > 0


def _queue_labels(queue: QueueSpec) -> dict[str, str]:
    if not queue.local_queue:
        return {}
    labels = {QUEUE_LABEL: queue.local_queue}
    if queue.priority_class:
        labels[WORKLOAD_PRIORITY_LABEL] = queue.priority_class
    return labels


def _failure_policy(*, is_sharded: bool) -> V1PodFailurePolicy:
    """Return which ends are final; the planner decides about all others.

    A gang has no rule for 21: any pod's end ends the attempt (backoffLimit 0). A shard that was
    disrupted or asked to stop is replaced without being counted.
    """
    rules = [_on_codes("FailJob", _FINAL)]
    if is_sharded:
        rules += [_on_disruption("Ignore"), _on_codes("Ignore", (int(ExitCode.INTERRUPTED),))]
    return V1PodFailurePolicy(rules=rules)


def _on_codes(action: str, codes: tuple[int, ...]) -> V1PodFailurePolicyRule:
    requirement = V1PodFailurePolicyOnExitCodesRequirement(
        container_name="stage", operator="In", values=list(codes)
    )
    return V1PodFailurePolicyRule(action=action, on_exit_codes=requirement)


def _on_disruption(action: str) -> V1PodFailurePolicyRule:
    pattern = V1PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
    return V1PodFailurePolicyRule(action=action, on_pod_conditions=[pattern])
