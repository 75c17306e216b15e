"""The actions of a plan, carried out: Jobs are created and deleted, pods given up."""

from typing import assert_never

from steerlm_operator.api.status import RunStatus
from steerlm_operator.cluster.api import Object, Resource
from steerlm_operator.cluster.ownership import create_or_adopt
from steerlm_operator.cluster.pods import grace_over_at
from steerlm_operator.cluster.runs import SeenRun
from steerlm_operator.cluster.surroundings import Surroundings
from steerlm_operator.core.observed import Launch, Plan, Probe, Stop
from steerlm_operator.render.job import as_json, stage_job
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.network import network_policy_json, service_json
from steerlm_operator.render.probe import probe_job


async def act(seen: SeenRun, planned: Plan, around: Surroundings) -> None:
    """Carry out what is planned.

    Raises:
        ApiRefusedError: The API server refused, or did not answer.
        NameTakenError: An object of somebody else has the name.
    """
    for action in planned.actions:
        match action:
            case Launch():
                await _launch(seen, action, planned.status, around)
            case Stop():
                await stop(seen.identity, action, around)
            case Probe():
                await _probe(seen, action, planned.status, around)
            case _:
                assert_never(action)


async def _launch(seen: SeenRun, action: Launch, status: RunStatus, around: Surroundings) -> None:
    if seen.run is None:  # reconcile plans for valid runs only
        return
    run, site = seen.identity, around.site.pinned(status.resolved)
    if not around.cache.owned(Resource.JOBS, run.uid):
        await create_or_adopt(around.api, run, Resource.SERVICES, service_json(run))
        policy = network_policy_json(run, site)
        await create_or_adopt(around.api, run, Resource.NETWORK_POLICIES, policy)
    job = as_json(stage_job(run, seen.run.spec, action, site))
    created = await create_or_adopt(around.api, run, Resource.JOBS, job)
    around.cache.observe(Resource.JOBS, created)


async def _probe(seen: SeenRun, action: Probe, status: RunStatus, around: Surroundings) -> None:
    if seen.run is None:  # reconcile plans for valid runs only
        return
    site = around.site.pinned(status.resolved)
    job = as_json(probe_job(seen.identity, seen.run.spec, action.attempt, site))
    created = await create_or_adopt(around.api, seen.identity, Resource.JOBS, job)
    around.cache.observe(Resource.JOBS, created)


async def stop(run: RunIdentity, action: Stop, around: Surroundings) -> None:
    """Delete the Job and its probe: their pods get SIGTERM, and their grace to leave a checkpoint.

    A pod whose node does not answer never says that it has ended, and the Job waits for it: it is
    taken out of the cluster's books. What it may still write disturbs nobody.
    """
    # The probe goes first: it is found by the attempt that it looks after.
    for name in (
        run.probe_name(action.stage, action.attempt),
        run.job_name(action.stage, action.attempt),
    ):
        jobs = around.cache.owned(Resource.JOBS, run.uid)
        job = next((job for job in jobs if job["metadata"]["name"] == name), None)
        if job is not None:
            await _delete(run, job, around)


async def _delete(run: RunIdentity, job: Object, around: Surroundings) -> None:
    metadata = job["metadata"]
    if "deletionTimestamp" not in metadata:
        await around.api.delete(Resource.JOBS, run.namespace, metadata["name"], metadata["uid"])
    for pod in around.cache.owned(Resource.PODS, run.uid):
        if _is_lost(pod, job, around):
            metadata = pod["metadata"]
            await around.api.delete(
                Resource.PODS, run.namespace, metadata["name"], metadata["uid"], grace_seconds=0
            )


def _is_lost(pod: Object, job: Object, around: Surroundings) -> bool:
    """Return True for a pod of a Job that is to be given up, and has not been yet."""
    over_at, metadata = grace_over_at(pod), pod["metadata"]
    is_stuck = over_at is not None and over_at + around.stuck_patience <= around.now()
    owners = [owner["uid"] for owner in metadata.get("ownerReferences", ())]
    is_given_up = metadata.get("deletionGracePeriodSeconds") == 0
    return is_stuck and not is_given_up and job["metadata"]["uid"] in owners
