"""Whether the policy of an installation lets a run go on. Pure."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.values import Value
from steerlm_operator.api.placement import Placement, QueueSpec
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import RunStatus
from steerlm_operator.core.configs import stage_settings
from steerlm_operator.core.policies import SHARDED, num_pods

_STAGE_KEYS = {
    StageKind.PREPARE: "prepare",
    StageKind.TRAIN_APM: "trainApm",
    StageKind.ANNOTATE: "annotate",
    StageKind.TRAIN_ACSFT: "trainAcsft",
    StageKind.SAMPLE: "sample",
    StageKind.EVALUATE: "evaluate",
}
_GPU_PLACEMENT, _CPU_PLACEMENT = "spec.defaults.gpuPlacement", "spec.defaults.cpuPlacement"


class Policy(Value):
    """What whoever may create a run may ask for: values `policy.*` of the chart."""

    allowed_images: tuple[str, ...] = ()
    """What an image of a spec has to begin with; empty: any. The chart's own is always allowed."""
    priority_classes: tuple[str, ...] = ()
    """PriorityClasses of pods and WorkloadPriorityClasses of Kueue by name; empty: any."""
    max_nodes: int = Field(default=0, ge=0)
    """Most `nodes` or `shards` of a stage, and replicas of its server; 0: as the CRD has it."""
    active_runs_per_namespace: int = Field(default=0, ge=0)
    """Most runs that are accepted and have not ended; 0: any number."""


def breach(spec: RunSpec, policy: Policy) -> str:
    """Return one line that names the field, its value and what forbids it; empty: nothing."""
    return next(_breaches(spec, policy), "")


def breach_of_server(spec: RunSpec, policy: Policy) -> str:
    """Return the same line of what the model server has; it starts when all stages have ended."""
    return next(_breaches_of_server(spec, policy), "")


def too_many(num_active: int, policy: Policy) -> str:
    """Return one line if a namespace with so many other active runs has no room for one more."""
    limit = policy.active_runs_per_namespace
    if not limit or num_active < limit:
        return ""
    return (
        f"waits for one of the {num_active} active runs of its namespace to end: "
        f"policy.activeRunsPerNamespace is {limit}"
    )


def is_active(status: RunStatus | None) -> bool:
    """Return True for a run that was accepted and has not ended."""
    return status is not None and status.resolved is not None and status.completion_time is None


def needs_admission(spec: RunSpec, status: RunStatus | None) -> bool:
    """Return False for a run that has ended and is not to be tried again: nothing will start."""
    if status is None or status.completion_time is None:
        return True
    return spec.retry.count > status.observed_retry_count


def _breaches(spec: RunSpec, policy: Policy) -> Iterator[str]:
    yield from _foreign_images(_images(spec), policy)
    yield from _high_priorities(_placed(spec), policy)
    for kind, key in _STAGE_KEYS.items():
        num = num_pods(stage_settings(spec, kind))
        if policy.max_nodes and num > policy.max_nodes:
            field = "shards" if kind in SHARDED else "nodes"
            yield (f"spec.stages.{key}.{field}: {num} is above policy.maxNodes, {policy.max_nodes}")
    yield from _replicas(spec, policy)


def _breaches_of_server(spec: RunSpec, policy: Policy) -> Iterator[str]:
    image = spec.defaults.image
    yield from _foreign_images([("spec.defaults.image", image)] if image else [], policy)
    placed = [(path, found) for path, found in _default_placements(spec) if _is_servers(spec, path)]
    yield from _high_priorities(placed, policy)
    yield from _replicas(spec, policy)


def _is_servers(spec: RunSpec, path: str) -> bool:
    return path == _GPU_PLACEMENT if spec.serve.resources.gpus else path == _CPU_PLACEMENT


def _foreign_images(images: Iterable[tuple[str, str]], policy: Policy) -> Iterator[str]:
    for path, image in images:
        if policy.allowed_images and not image.startswith(policy.allowed_images):
            yield _line(path, image, "allowedImages", policy.allowed_images)


def _high_priorities(
    placed: Iterable[tuple[str, Placement | QueueSpec]], policy: Policy
) -> Iterator[str]:
    for path, name in _priorities(placed):
        if policy.priority_classes and name not in policy.priority_classes:
            yield _line(path, name, "priorityClasses", policy.priority_classes)


def _replicas(spec: RunSpec, policy: Policy) -> Iterator[str]:
    """Yield a line for too many replicas; those of an autoscaler are not the run's."""
    num, serve = spec.serve.replicas, spec.serve
    if serve.enabled and not serve.autoscaled and policy.max_nodes and num > policy.max_nodes:
        yield f"spec.serve.replicas: {num} is above policy.maxNodes, {policy.max_nodes}"


def _line(path: str, value: str, field: str, allowed: tuple[str, ...]) -> str:
    return f"{path}: {value} is not in policy.{field}: {', '.join(allowed)}"[:1000]


def _images(spec: RunSpec) -> Iterator[tuple[str, str]]:
    """Yield path and value of each image that the spec names."""
    if spec.defaults.image:
        yield "spec.defaults.image", spec.defaults.image
    for kind, key in _STAGE_KEYS.items():
        image = stage_settings(spec, kind).image
        if image:
            yield f"spec.stages.{key}.image", image


def _priorities(
    placed: Iterable[tuple[str, Placement | QueueSpec]],
) -> Iterator[tuple[str, str]]:
    """Yield path and value of each priority class that these name."""
    for path, found in placed:
        name = found.priority_class if isinstance(found, QueueSpec) else found.priority_class_name
        if name:
            leaf = "priorityClass" if isinstance(found, QueueSpec) else "priorityClassName"
            yield f"{path}.{leaf}", name


def _placed(spec: RunSpec) -> Iterator[tuple[str, Placement | QueueSpec]]:
    yield "spec.queue", spec.queue
    yield from _default_placements(spec)
    for kind, key in _STAGE_KEYS.items():
        settings = stage_settings(spec, kind)
        if settings.queue is not None:
            yield f"spec.stages.{key}.queue", settings.queue
        if settings.placement is not None:
            yield f"spec.stages.{key}.placement", settings.placement


def _default_placements(spec: RunSpec) -> Iterator[tuple[str, Placement]]:
    if spec.defaults.gpu_placement is not None:
        yield _GPU_PLACEMENT, spec.defaults.gpu_placement
    yield _CPU_PLACEMENT, spec.defaults.cpu_placement
