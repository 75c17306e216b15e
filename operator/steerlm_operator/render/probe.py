"""The Job that looks for the result of an attempt which left no report: on a CPU, once."""

from datetime import timedelta
from typing import Final

from kubernetes.client import V1Job, V1JobSpec, V1ObjectMeta, V1PodTemplateSpec

from steerlm_operator.api.placement import Resources
from steerlm_operator.api.run import RunSpec
from steerlm_operator.core.configs import stage_settings
from steerlm_operator.core.observed import Launch
from steerlm_operator.render.job import owner, stage_command
from steerlm_operator.render.names import CONFIG_ANNOTATION, PROBE_ROLE, ROLE_LABEL, RunIdentity
from steerlm_operator.render.pod import PodNeeds, pod_spec
from steerlm_operator.render.settings import StagePodSettings

_TRIES: Final = 3
"""The store may be away for a while."""
_LOOKING: Final = timedelta(minutes=10)
"""For all tries together: each reads one manifest and lists one folder, a matter of seconds."""
_CPU: Final = "100m"
_MEMORY: Final = "1Gi"
"""A quota on requests refuses pods that name none."""


def probe_job(run: RunIdentity, spec: RunSpec, attempt: Launch, site: StagePodSettings) -> V1Job:
    """Return the probe of an attempt: its stage program, told to look for its result alone.

    It stands in no queue and asks for no GPU: a finished GPU stage never runs again because a pod
    was collected. One that hangs is ended by the Job controller, also while no operator is there.
    """
    settings = stage_settings(spec, attempt.config.kind)
    labels = {**run.stage_labels(attempt.stage, attempt.attempt), ROLE_LABEL: PROBE_ROLE}
    needs = PodNeeds(
        image=settings.image or spec.defaults.image or site.image,
        command=(*stage_command(attempt.config.kind), "--only-existing"),
        resources=Resources(cpu=_CPU, memory=_MEMORY, scratch=settings.resources.scratch),
        placement=spec.defaults.cpu_placement,
        environment=attempt.environment,
        grace_seconds=site.grace_seconds,
    )
    # The Job's clock runs while its pod waits, too, and a wait alone is judged by the planner.
    ready_seconds = settings.pods_ready_timeout_seconds or spec.defaults.pods_ready_timeout_seconds
    template = V1PodTemplateSpec(
        metadata=V1ObjectMeta(
            labels={**site.pod_labels, **labels},
            annotations={
                **site.pod_annotations,
                CONFIG_ANNOTATION: attempt.config.model_dump_json(by_alias=True),
            },
        ),
        spec=pod_spec(run, spec, needs, site),
    )
    return V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=V1ObjectMeta(
            name=run.probe_name(attempt.stage, attempt.attempt),
            namespace=run.namespace,
            labels=labels,
            owner_references=[owner(run)],
        ),
        spec=V1JobSpec(
            completion_mode="Indexed",
            completions=1,
            parallelism=1,
            backoff_limit=_TRIES - 1,
            active_deadline_seconds=ready_seconds + int(_LOOKING.total_seconds()),
            template=template,
        ),
    )
