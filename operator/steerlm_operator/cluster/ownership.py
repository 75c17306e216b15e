"""Objects of a run: created once, or found again if they are the run's own."""

from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.render.names import RUN_UID_LABEL, RunIdentity


class NameTakenError(Exception):
    """An object of the name that a run needs belongs to somebody else."""


async def create_or_adopt(
    api: KubeApi, run: RunIdentity, resource: Resource, body: Object
) -> Object:
    """Create an object, or return the one of its name that is the run's already.

    Raises:
        ApiRefusedError: The server refused.
        NameTakenError: It is somebody else's.
    """
    try:
        return await api.create(resource, run.namespace, body)
    except ApiRefusedError as error:
        if not error.is_conflict:
            raise
    name = body["metadata"]["name"]
    own = await api.list_all(resource, f"{RUN_UID_LABEL}={run.uid}")
    for found in own.items:
        metadata = found["metadata"]
        owners = [owner["uid"] for owner in metadata.get("ownerReferences", [])]
        if (metadata["namespace"], metadata["name"]) == (run.namespace, name) and run.uid in owners:
            return found
    msg = f"{resource.value} {name} exists and is not this run's; delete it or rename the run"
    raise NameTakenError(msg)
