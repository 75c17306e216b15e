"""The pod of a stage: one container that passes Pod Security "restricted"."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubernetes.client import (
    V1Affinity,
    V1Capabilities,
    V1Container,
    V1ContainerPort,
    V1DownwardAPIVolumeFile,
    V1DownwardAPIVolumeSource,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1EnvVarSource,
    V1KeyToPath,
    V1LabelSelector,
    V1LocalObjectReference,
    V1ObjectFieldSelector,
    V1PodAffinity,
    V1PodAffinityTerm,
    V1PodSecurityContext,
    V1PodSpec,
    V1ProjectedVolumeSource,
    V1ResourceRequirements,
    V1SeccompProfile,
    V1SecretProjection,
    V1SecurityContext,
    V1Toleration,
    V1Volume,
    V1VolumeMount,
    V1VolumeProjection,
)

from steerlm_jobs.contract.secrets import (
    HUB_KEYS,
    JUDGE_KEY_FILE,
    JUDGE_KEY_VARIABLE,
    OPTIONAL_STORE_KEYS,
    STORE_KEYS,
)
from steerlm_operator.api.placement import CredentialsMode, Placement, Resources
from steerlm_operator.api.run import RunSpec
from steerlm_operator.render import mounts
from steerlm_operator.render.names import CONFIG_ANNOTATION, RunIdentity
from steerlm_operator.render.settings import StagePodSettings

USER_ID: Final = 65532
"""No root anywhere; the images have this user."""


@dataclass(frozen=True, slots=True)
class Gang:
    """Pods that have to run near each other."""

    topology_key: str
    """Label of the nodes whose value they share."""
    labels: Mapping[str, str]
    """What they have in common, and no other pod has."""


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """What differs between the pods of one run."""

    image: str
    command: tuple[str, ...]
    resources: Resources
    placement: Placement
    environment: tuple[tuple[str, str], ...] = ()
    has_config: bool = True
    """True: the pod reads a stage config from its annotation."""
    grace_seconds: int = 300
    gang: Gang | None = None
    """None: the pod may run far from all others."""
    judge_secret: str = ""
    """Secret with the judge's key; empty: none is mounted."""


def pod_spec(run: RunIdentity, spec: RunSpec, needs: PodNeeds, site: StagePodSettings) -> V1PodSpec:
    """Return the pod of one process group; restart is the Job's business, never the kubelet's."""
    volumes, container_mounts, variables = _storage(spec, needs, site)
    container = V1Container(
        name="stage",
        image=needs.image,
        command=list(needs.command),
        env=[
            *variables,
            *(V1EnvVar(name=name, value=value) for name, value in needs.environment),
        ],
        ports=[V1ContainerPort(container_port=mounts.PORT, name="progress")],
        resources=_requirements(needs.resources),
        security_context=V1SecurityContext(
            allow_privilege_escalation=False,
            capabilities=V1Capabilities(drop=["ALL"]),
            read_only_root_filesystem=True,
        ),
        termination_message_path=mounts.TERMINATION_LOG,
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=container_mounts,
    )
    placement = needs.placement
    return V1PodSpec(
        restart_policy="Never",
        service_account_name=site.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        subdomain=run.service_name,
        termination_grace_period_seconds=needs.grace_seconds,
        image_pull_secrets=[V1LocalObjectReference(name=n) for n in site.image_pull_secrets]
        or None,
        security_context=V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER_ID,
            run_as_group=USER_ID,
            fs_group=USER_ID,
            seccomp_profile=V1SeccompProfile(type="RuntimeDefault"),
        ),
        node_selector=dict(placement.node_selector) or None,
        tolerations=[_toleration(t.model_dump()) for t in placement.tolerations] or None,
        priority_class_name=placement.priority_class_name or None,
        scheduler_name=placement.scheduler_name or None,
        runtime_class_name=placement.runtime_class_name or None,
        affinity=_affinity(needs.gang),
        containers=[container],
        volumes=volumes,
    )


def _toleration(given: dict[str, Any]) -> V1Toleration:  # Any: JSON
    return V1Toleration(
        key=given["key"] or None,
        operator=given["operator"],
        value=given["value"] or None,
        effect=given["effect"] or None,
    )


def _affinity(gang: Gang | None) -> V1Affinity | None:
    if gang is None:
        return None
    selector = V1LabelSelector(match_labels=dict(gang.labels))
    term = V1PodAffinityTerm(topology_key=gang.topology_key, label_selector=selector)
    return V1Affinity(
        pod_affinity=V1PodAffinity(required_during_scheduling_ignored_during_execution=[term])
    )


def _requirements(resources: Resources) -> V1ResourceRequirements:
    """Return requests; what must not be overcommitted is a limit, too."""
    fixed = {name: str(count) for name, count in resources.extended.items()}
    if resources.gpus:
        fixed["nvidia.com/gpu"] = str(resources.gpus)
    if resources.memory:
        fixed["memory"] = resources.memory
    requests = {**fixed, "cpu": resources.cpu} if resources.cpu else dict(fixed)
    return V1ResourceRequirements(requests=requests or None, limits=fixed or None)


def _storage(
    spec: RunSpec, needs: PodNeeds, site: StagePodSettings
) -> tuple[list[V1Volume], list[V1VolumeMount], list[V1EnvVar]]:
    """Return volumes, their mounts, and the variables that lead the program to them."""
    resources = needs.resources
    volumes = [
        V1Volume(name="scratch", empty_dir=V1EmptyDirVolumeSource(size_limit=resources.scratch)),
        V1Volume(name="tmp", empty_dir=V1EmptyDirVolumeSource()),
        V1Volume(
            name="shared-memory",
            empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit=resources.shared_memory),
        ),
    ]
    places = [
        V1VolumeMount(name="scratch", mount_path=mounts.SCRATCH_DIR),
        V1VolumeMount(name="tmp", mount_path=mounts.TMP_DIR),
        V1VolumeMount(name="shared-memory", mount_path=mounts.SHARED_MEMORY_DIR),
    ]
    variables = {
        mounts.SCRATCH_VARIABLE: mounts.SCRATCH_DIR,
        mounts.REPORT_VARIABLE: mounts.TERMINATION_LOG,
        mounts.PORT_VARIABLE: str(mounts.PORT),
        "HOME": mounts.SCRATCH_DIR,
        "TMPDIR": mounts.TMP_DIR,
        **_store_variables(spec, site),
    }
    if needs.has_config:
        volumes.append(_config_volume())
        places.append(V1VolumeMount(name="config", mount_path=mounts.CONFIG_DIR, read_only=True))
        variables[mounts.CONFIG_VARIABLE] = f"{mounts.CONFIG_DIR}/{mounts.CONFIG_FILE}"
    for mounted in _secrets(spec, needs):
        volumes.append(_secret_volume(mounted))
        places.append(V1VolumeMount(name=mounted.volume, mount_path=mounted.folder, read_only=True))
        variables[mounted.variable] = mounted.folder
    own_address = V1EnvVarSource(field_ref=V1ObjectFieldSelector(field_path="status.podIP"))
    return (
        volumes,
        places,
        [
            V1EnvVar(name=mounts.HOST_VARIABLE, value_from=own_address),
            *(V1EnvVar(name=n, value=v) for n, v in variables.items()),
        ],
    )


def _store_variables(spec: RunSpec, site: StagePodSettings) -> dict[str, str]:
    s3 = spec.storage.s3
    found = {
        # Of S3 alone: AWS_ENDPOINT_URL would send STS, and the pod's token, there as well.
        "AWS_ENDPOINT_URL_S3": s3.endpoint_url or site.s3.endpoint_url,
        "AWS_DEFAULT_REGION": s3.region or site.s3.region,  # botocore and s3fs read this one
        "AWS_REGION": s3.region or site.s3.region,  # other SDKs
    }
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class _Mounted:
    """A Secret as the programs find it."""

    volume: str
    secret: str
    keys: tuple[str, ...]
    folder: str
    variable: str
    """Names the folder."""
    optional_keys: tuple[str, ...] = ()


def _secrets(spec: RunSpec, needs: PodNeeds) -> Iterator[_Mounted]:
    credentials = spec.storage.credentials
    if credentials.mode is CredentialsMode.SECRET:
        yield _Mounted(
            "store-credentials",
            credentials.secret_name,
            STORE_KEYS,
            mounts.CREDENTIALS_DIR,
            mounts.CREDENTIALS_VARIABLE,
            OPTIONAL_STORE_KEYS,
        )
    if spec.model.token_secret_name:
        yield _Mounted(
            "hub-token",
            spec.model.token_secret_name,
            HUB_KEYS,
            mounts.HUB_TOKEN_DIR,
            mounts.HUB_TOKEN_VARIABLE,
        )
    if needs.judge_secret:
        yield _Mounted(
            "judge-key",
            needs.judge_secret,
            (JUDGE_KEY_FILE,),
            mounts.JUDGE_KEY_DIR,
            JUDGE_KEY_VARIABLE,
        )


def _secret_volume(mounted: _Mounted) -> V1Volume:
    """Return a volume of the keys that the programs read, and no other key of that Secret.

    The kubelet names a key that is missing. Only a source as a whole can be optional.
    """
    sources = [_source(mounted.secret, mounted.keys)]
    if mounted.optional_keys:
        sources.append(_source(mounted.secret, mounted.optional_keys, is_optional=True))
    return V1Volume(name=mounted.volume, projected=V1ProjectedVolumeSource(sources=sources))


def _source(secret: str, keys: tuple[str, ...], *, is_optional: bool = False) -> V1VolumeProjection:
    items = [V1KeyToPath(key=key, path=key) for key in keys]
    return V1VolumeProjection(
        secret=V1SecretProjection(name=secret, items=items, optional=True if is_optional else None)
    )


def _config_volume() -> V1Volume:
    """Return the stage config as a file: no ConfigMap to create, keep or lose."""
    field = V1ObjectFieldSelector(field_path=f"metadata.annotations['{CONFIG_ANNOTATION}']")
    item = V1DownwardAPIVolumeFile(path=mounts.CONFIG_FILE, field_ref=field)
    return V1Volume(name="config", downward_api=V1DownwardAPIVolumeSource(items=[item]))
