"""The model server of a run: looked at, created, applied again where it differs, deleted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import RunStatus
from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.cluster.cache import Cache
from steerlm_operator.cluster.ownership import NameTakenError, create_or_adopt
from steerlm_operator.cluster.pods import waits_for
from steerlm_operator.core.observed import Wait
from steerlm_operator.core.serving import Server, Wish, final_model, wish, with_serving
from steerlm_operator.render.names import (
    HASH_ANNOTATION,
    MODEL_DIGEST_ANNOTATION,
    ROLE_LABEL,
    SERVER_ROLE,
    RunIdentity,
)
from steerlm_operator.render.server import server_deployment, server_policy, server_service
from steerlm_operator.render.settings import StagePodSettings

_MAX_MESSAGE: Final = 500
_NAME_PAUSE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Tended:
    """What has become of a server in a pass."""

    status: RunStatus
    """With what is to be said of it."""
    refusal: ApiRefusedError | None = None
    """To be raised once the status is written: it is tried again, ever more slowly."""
    look_again_at: datetime | None = None
    """No event tells that a name has become free."""


async def tend(
    api: KubeApi,
    cache: Cache,
    site: StagePodSettings,
    run: RunIdentity,
    spec: RunSpec,
    status: RunStatus,
    now: datetime,
) -> Tended:
    """Bring the server of a run to what its status asks for, and say how far it is.

    Raises:
        ApiRefusedError: The API server did not answer; nothing is known, so try again.
    """
    refused: Wait | None = None
    refusal: ApiRefusedError | None = None
    try:
        match wish(spec, status):
            case Wish.SERVE:
                await _apply(api, cache, site, run, spec, status)
            case Wish.STOP:
                await _delete(api, cache, run)
            case Wish.KEEP:
                pass
    except NameTakenError as error:
        refused = Wait(Reason.JOB_NAME_CONFLICT, str(error))
    except ApiRefusedError as error:
        if not error.is_refusal:
            raise
        refused, refusal = Wait(Reason.SERVER_REFUSED, str(error)[:_MAX_MESSAGE]), error
    found = _deployment(cache, run)
    pods = [p for p in cache.owned(Resource.PODS, run.uid) if _is_servers(p)]
    server = None if found is None or _is_ending(found) else server_of(found, pods)
    is_taken = refused is not None and refusal is None
    return Tended(
        with_serving(spec, status, server, run.server_url, now, refused),
        refusal,
        now + _NAME_PAUSE if is_taken else None,
    )


def server_versions(cache: Cache, run: RunIdentity) -> tuple[str, ...]:
    """Return the versions of all that a server is: the same ones mean the same server."""
    deployments = cache.owned(Resource.DEPLOYMENTS, run.uid)
    pods = [p for p in cache.owned(Resource.PODS, run.uid) if _is_servers(p)]
    return tuple(found["metadata"]["resourceVersion"] for found in (*deployments, *pods))


async def _apply(
    api: KubeApi,
    cache: Cache,
    site: StagePodSettings,
    run: RunIdentity,
    spec: RunSpec,
    status: RunStatus,
) -> None:
    model, known = final_model(spec, status), _deployment(cache, run)
    if model is None or (known is not None and _is_ending(known)):
        return  # its end is an event, and the next pass makes it anew
    wanted = server_deployment(run, spec, model, site)
    if known is None:
        await create_or_adopt(api, run, Resource.SERVICES, server_service(run))
        await create_or_adopt(api, run, Resource.NETWORK_POLICIES, server_policy(run))
    elif _annotation(known, HASH_ANNOTATION) == wanted["metadata"]["annotations"][HASH_ANNOTATION]:
        return
    applied = await api.apply(Resource.DEPLOYMENTS, run.namespace, wanted)
    cache.observe(Resource.DEPLOYMENTS, applied)


async def _delete(api: KubeApi, cache: Cache, run: RunIdentity) -> None:
    known = _deployment(cache, run)
    if known is not None and not _is_ending(known):
        metadata = known["metadata"]
        await api.delete(Resource.DEPLOYMENTS, run.namespace, metadata["name"], metadata["uid"])


def server_of(deployment: Object, pods: Sequence[Object]) -> Server:
    """Return the server that a Deployment and its pods are."""
    status: Object = deployment.get("status", {})
    replicas = int(deployment["spec"].get("replicas", 1))
    is_seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    updated, present = status.get("updatedReplicas", 0), status.get("replicas", 0)
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    progressing = conditions.get("Progressing", {})
    return Server(
        model_digest=_annotation(deployment, MODEL_DIGEST_ANNOTATION),
        replicas=replicas,
        ready_replicas=status.get("readyReplicas", 0),
        is_rolled_out=is_seen and updated == present == replicas,
        is_stalled=is_seen and progressing.get("reason") == "ProgressDeadlineExceeded",
        why=_why(pods) or _failure(conditions),
    )


def _why(pods: Iterable[Object]) -> str:
    """Return what a pod waits for, or how its container ended last."""
    wait = waits_for(pods)
    if wait is not None:
        return f"{wait.reason.value}: {wait.message}"
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container.get("lastState", {}).get("terminated", {})
            lines = ended.get("message", "").strip().splitlines()
            if ended and not container.get("ready"):
                told = f": {lines[-1][:_MAX_MESSAGE]}" if lines else ""
                return f"the server ended with exit code {ended['exitCode']}{told}"
    return ""


def _failure(conditions: dict[str, dict[str, Any]]) -> str:  # Any: JSON
    """Return why no pods are made: a quota, say."""
    found = conditions.get("ReplicaFailure", {})
    return str(found.get("message", ""))[:_MAX_MESSAGE] if found.get("status") == "True" else ""


def _deployment(cache: Cache, run: RunIdentity) -> Object | None:
    found = cache.owned(Resource.DEPLOYMENTS, run.uid)
    return next((d for d in found if d["metadata"]["name"] == run.server_name), None)


def _is_servers(pod: Object) -> bool:
    return bool(pod["metadata"].get("labels", {}).get(ROLE_LABEL) == SERVER_ROLE)


def _is_ending(found: Object) -> bool:
    return "deletionTimestamp" in found["metadata"]


def _annotation(found: Object, name: str) -> str:
    return str(found["metadata"].get("annotations", {}).get(name, ""))
