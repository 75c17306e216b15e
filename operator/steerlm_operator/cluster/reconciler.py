"""One pass over one run: observe, plan, act, one write of the status, then events."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import RunStatus
from steerlm_operator.cluster.acting import act, stop
from steerlm_operator.cluster.admission import denied
from steerlm_operator.cluster.api import ApiRefusedError, Resource
from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.ownership import NameTakenError
from steerlm_operator.cluster.runs import SeenRun, refused_status, status_body
from steerlm_operator.cluster.serving import server_versions, tend
from steerlm_operator.cluster.surroundings import Rest, Surroundings
from steerlm_operator.cluster.tidying import outdated_jobs
from steerlm_operator.core.expiry import expiry
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.happenings import Happening, happenings
from steerlm_operator.core.observed import AttemptState, Launch, Observed, Plan, Probe, Stop
from steerlm_operator.core.pinning import with_resolved
from steerlm_operator.core.plan import plan
from steerlm_operator.core.refusal import with_name_conflict, with_refused_launch
from steerlm_operator.core.writing import is_minor, write_at

_DENIED_PAUSE: Final = timedelta(seconds=30)
"""No event tells a run that another one has ended."""


async def reconcile(key: RunKey, around: Surroundings) -> float | None:
    """Bring a run one step further; return in how many seconds to look again at the latest.

    Raises:
        ApiRefusedError: The server refused; the cache holds what is known, so try again.
    """
    found = around.cache.run(key)
    if found is None:
        around.forget(key)
        return None
    seen = around.reader.run(key, found)
    if seen.is_frozen or seen.is_deleting or not seen.is_ours:
        return None
    if seen.unreadable:
        _leave_alone(key, seen, around)
        return None
    if seen.run is None or (seen.problem and not seen.was_accepted):
        await _refuse(key, seen, around)
        return None
    now = around.now()
    observed = _observed(key, seen, seen.run, around)
    is_against_policy = bool(observed.denial) and not seen.problem
    denied_until = now + _DENIED_PAUSE if is_against_policy else None
    server = server_versions(around.cache, seen.identity)
    rest = around.at_rest.get(key)
    if rest is not None and rest.holds(observed, server, now):
        return _seconds_until(rest.until, around)
    planned = _pinned(plan(observed, now), observed, around)
    status, refusal = await _carried_out(seen, observed, planned, around)
    site = around.site.pinned(status.resolved)
    served = await tend(around.api, around.cache, site, seen.identity, seen.run.spec, status, now)
    status, refusal = served.status, refusal or served.refusal
    written_at = await _recorded(key, seen, status, around)
    if refusal is not None:
        raise refusal  # again, ever more slowly
    for job in outdated_jobs(around.cache.owned(Resource.JOBS, seen.identity.uid)):
        metadata = job["metadata"]
        await around.api.delete(
            Resource.JOBS, seen.identity.namespace, metadata["name"], metadata["uid"]
        )
    expires_at = expiry(seen.run.spec, status)
    if expires_at is not None and expires_at <= now:
        await around.api.delete(
            Resource.RUNS, seen.identity.namespace, seen.identity.name, seen.identity.uid
        )
        return None
    later = None if written_at is None or written_at <= now else written_at
    times = (
        at
        for at in (planned.look_again_at, served.look_again_at, expires_at, later, denied_until)
        if at is not None
    )
    until = min(times, default=None)
    if not planned.actions and written_at is None:
        around.at_rest[key] = Rest(observed, server, until)
    return _seconds_until(until, around)


def _observed(key: RunKey, seen: SeenRun, run: SteerLMRun, around: Surroundings) -> Observed:
    uid = seen.identity.uid
    jobs, pods = (around.cache.owned(kind, uid) for kind in (Resource.JOBS, Resource.PODS))
    attempts = around.reader.attempts(key, jobs, pods, around.progress, around.waits)
    prefix = run.spec.storage.prefix.rstrip("/")
    denial = denied(key, run.spec, seen.status, around.cache, around.policy, around.admitted)
    return Observed(
        run,
        uid,
        prefix,
        seen.status,
        attempts,
        seen.generation,
        seen.problem or denial,
        Reason.INVALID_SPEC if seen.problem else Reason.POLICY_DENIED,
        around.stuck_patience,
    )


def _pinned(planned: Plan, observed: Observed, around: Surroundings) -> Plan:
    offered = None if observed.denial else around.site.offered()
    status = with_resolved(observed.status, planned.status, offered)
    return replace(planned, status=status)


async def _carried_out(
    seen: SeenRun, observed: Observed, planned: Plan, around: Surroundings
) -> tuple[RunStatus, ApiRefusedError | None]:
    """Act; return what to record, and the server's refusal of a launch if that came of it."""
    status, now = planned.status, around.now()
    try:
        await act(seen, planned, around)
    except NameTakenError as error:
        return with_name_conflict(observed, status, _acted_on(planned), str(error), now), None
    except ApiRefusedError as error:
        if not error.is_refusal:
            raise
        if not isinstance(planned.actions[0], Launch | Probe):
            return status, error  # why it is to stop is what its stage says
        stage = _acted_on(planned)
        return with_refused_launch(observed, status, stage, str(error), now), error
    return status, None


async def _recorded(
    key: RunKey, seen: SeenRun, status: RunStatus, around: Surroundings
) -> datetime | None:
    """Write the status if that is due; return when it is or was, None if there is no news."""
    now = around.now()
    at = write_at(seen.status, status, around.progress_written.get(key), now)
    if at is not None and at <= now:
        if seen.status is not None and is_minor(seen.status, status):
            around.progress_written[key] = now
        await _record(seen, status, around)
    return at


def _seconds_until(at: datetime | None, around: Surroundings) -> float | None:
    return None if at is None else max(0.0, (at - around.now()).total_seconds())


def _leave_alone(key: RunKey, seen: SeenRun, around: Surroundings) -> None:
    """Say once that nothing is done about a run: we do not know what has been done already."""
    if around.left_alone.get(key) == seen.unreadable:
        return
    around.left_alone[key] = seen.unreadable
    message = f"the operator cannot read its status and leaves it alone: {seen.unreadable}"
    told = Happening("StatusUnreadable", message, is_warning=True)
    around.untold.add(seen.identity, (told,), around.now())


async def _refuse(key: RunKey, seen: SeenRun, around: Surroundings) -> None:
    status = refused_status(seen, around.now())
    if status != seen.status:
        await _record(seen, status, around)
    elif seen.told_to_end is not None:
        uid = seen.identity.uid
        jobs, pods = (around.cache.owned(kind, uid) for kind in (Resource.JOBS, Resource.PODS))
        for attempt in around.reader.attempts(key, jobs, pods, around.progress, around.waits):
            if attempt.state is AttemptState.ACTIVE:
                stopping = Stop(attempt.stage, attempt.number, seen.told_to_end)
                await stop(seen.identity, stopping, around)


def _acted_on(planned: Plan) -> StageId:
    return planned.actions[0].stage  # one, or stops alone


async def _record(seen: SeenRun, status: RunStatus, around: Surroundings) -> None:
    """Write the status; then what changed may be told: events of what is not recorded would lie."""
    run = seen.identity
    written = await around.api.apply_status(run.namespace, status_body(seen, status))
    around.cache.observe(Resource.RUNS, written)
    around.written[RunKey(run.namespace, run.name)] = written["metadata"]["resourceVersion"]
    around.untold.add(run, happenings(seen.status, status), around.now())
