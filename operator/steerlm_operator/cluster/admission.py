"""Whether a run may go on in its namespace: the policy, and the other runs that the cache knows."""

from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import RunStatus
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.cache import Cache, RunKey
from steerlm_operator.core.admission import (
    Policy,
    breach,
    breach_of_server,
    is_active,
    needs_admission,
    too_many,
)
from steerlm_operator.core.serving import is_due


def denied(
    key: RunKey,
    spec: RunSpec,
    status: RunStatus | None,
    cache: Cache,
    policy: Policy,
    admitted: set[RunKey],
) -> str:
    """Return why a run may not go on, in one line; empty if it may.

    Passes over two runs may overlap: `admitted` has those that were let in and are not recorded
    yet, and gets this one.
    """
    admitted.discard(key)
    if status is not None and not needs_admission(spec, status):
        return breach_of_server(spec, policy) if is_due(spec, status) else ""
    why = breach(spec, policy)
    if why or is_active(status) or not policy.active_runs_per_namespace:
        return why
    num_active = sum(
        other != key
        and other.namespace == key.namespace
        and (other in admitted or _is_active(cache.run(other)))
        for other in cache.keys()  # noqa: SIM118  # no dict
    )
    why = too_many(num_active, policy)
    if not why:
        admitted.add(key)
    return why


def _is_active(found: Object | None) -> bool:
    """Return what `is_active` does, of a run object; reading all of a status takes longer."""
    status = {} if found is None else found.get("status") or {}
    return bool(status.get("resolved")) and not status.get("completionTime")
