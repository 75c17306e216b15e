"""What the operator relies on of an API server, claimed of the real one and of the one in memory.

So the stand-in of tests/scenario cannot drift from what it stands for.
"""

from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.cluster.attempts import is_overdue
from steerlm_operator.cluster.trimming import trimmed
from tests.cluster.places import NO_NODE, InMemory, Place, Real
from tests.quickstart import quickstart

Objects = list[Object]
RUN_NAME = "quickstart"


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.cluster)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where the claim is put to the test."""
    if request.param == "memory":
        yield InMemory()
    else:
        yield Real(request.getfixturevalue("cluster"), request.getfixturevalue("namespace"))


def a_run() -> Object:
    """Return a run that no operator acts on."""
    run = quickstart()
    run["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    return run


def a_job(name: str = "j", **labels: str) -> Object:
    """Return a Job whose pod never starts: no node takes it."""
    container = {"name": "stage", "image": "none"}
    pod = {"restartPolicy": "Never", "nodeSelector": {"no": "node"}, "containers": [container]}
    template = {"metadata": {"labels": labels, "annotations": {}}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"completions": 1, "completionMode": "Indexed", "template": template},
    }


def an_event(place: Place, about: str, message: str) -> Object:
    involved = {"kind": "Job", "namespace": place.namespace, "name": "j", "uid": about}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "j."},
        "involvedObject": involved,
        "reason": "FailedCreate",
        "message": message,
        "type": "Warning",
    }


def a_status(run: Object, **fields: Any) -> Object:
    metadata = {key: run["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    kind = {"apiVersion": "steerlm.dev/v1alpha1", "kind": "SteerLMRun"}
    return {**kind, "metadata": metadata, "status": fields}


async def listed(
    api: KubeApi, place: Place, resource: Resource, selector: str = ""
) -> list[Object]:
    """Return what is listed of the test's namespace."""
    found = (await api.list_all(resource, selector)).items
    return [one for one in found if one["metadata"]["namespace"] == place.namespace]


async def names(api: KubeApi, place: Place, resource: Resource, selector: str = "") -> list[str]:
    found = await listed(api, place, resource, selector)
    return sorted(one["metadata"]["name"] for one in found)


def test_what_is_created_has_an_identity_and_is_listed(place: Place):
    async def story(api: KubeApi) -> None:
        before = (await api.list_all(Resource.JOBS)).version
        made = (await api.create(Resource.JOBS, place.namespace, a_job()))["metadata"]
        assert made["uid"]
        assert made["creationTimestamp"]
        assert made["namespace"] == place.namespace
        assert before < int(made["resourceVersion"])
        assert int(made["resourceVersion"]) <= (await api.list_all(Resource.JOBS)).version
        assert await names(api, place, Resource.JOBS) == ["j"]

    place.play(story)


def test_what_is_listed_is_what_the_cache_keeps(place: Place):
    async def story(api: KubeApi) -> None:
        await api.create(Resource.JOBS, place.namespace, a_job())
        (found,) = await listed(api, place, Resource.JOBS)
        assert found == trimmed(Resource.JOBS, found)
        assert "template" not in found["spec"]
        assert "completions" in found["spec"]

    place.play(story)


def test_a_name_is_given_once(place: Place):
    async def story(api: KubeApi) -> None:
        first = await api.create(Resource.JOBS, place.namespace, a_job(first="yes"))
        with pytest.raises(ApiRefusedError) as refused:
            await api.create(Resource.JOBS, place.namespace, a_job(first="no"))
        assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")
        (kept,) = await listed(api, place, Resource.JOBS)
        assert kept["metadata"]["uid"] == first["metadata"]["uid"]

    place.play(story)


def test_generated_names_differ(place: Place):
    async def story(api: KubeApi) -> None:
        made = [
            await api.create(Resource.EVENTS, place.namespace, an_event(place, "u", t))
            for t in "ab"
        ]
        found = {event["metadata"]["name"] for event in made}
        assert len(found) == 2
        assert all(name.startswith("j.") for name in found)

    place.play(story)


@pytest.mark.parametrize("wrong", ["name", "containers"])
def test_a_body_that_is_wrong_is_refused_for_good(place: Place, wrong: str):
    job = a_job("No_Name" if wrong == "name" else "j")
    if wrong == "containers":
        del job["spec"]["template"]["spec"]["containers"]

    async def story(api: KubeApi) -> None:
        with pytest.raises(ApiRefusedError) as refused:
            await api.create(Resource.JOBS, place.namespace, job)
        assert (refused.value.status, refused.value.is_refusal) == (422, True)
        assert wrong in refused.value.message

    place.play(story)


def test_a_quota_that_is_used_up_refuses(place: Place):
    place.allow_no_jobs()

    async def story(api: KubeApi) -> None:
        with pytest.raises(ApiRefusedError) as refused:
            await api.create(Resource.JOBS, place.namespace, a_job())
        assert (refused.value.status, refused.value.is_refusal) == (403, True)
        assert "exceeded quota" in refused.value.message

    place.play(story)


def test_labels_select(place: Place):
    async def story(api: KubeApi) -> None:
        own = {"place": place.namespace}
        await api.create(Resource.JOBS, place.namespace, a_job("one", **own, colour="red"))
        await api.create(Resource.JOBS, place.namespace, a_job("two", **own, colour="blue"))
        every = f"place={place.namespace}"
        assert await names(api, place, Resource.JOBS, every) == ["one", "two"]
        assert await names(api, place, Resource.JOBS, f"{every},colour=blue") == ["two"]
        assert await names(api, place, Resource.JOBS, "colour=green") == []

    place.play(story)


def test_events_are_those_about_an_object_the_oldest_first(place: Place):
    async def story(api: KubeApi) -> None:
        for about, message in (("u", "first"), ("other", "no"), ("u", "second")):
            await api.create(Resource.EVENTS, place.namespace, an_event(place, about, message))
        found = await api.events_about(place.namespace, "u")
        assert [event["message"] for event in found] == ["first", "second"]

    place.play(story)


def test_only_the_very_object_is_deleted(place: Place):
    async def story(api: KubeApi) -> None:
        await api.create(Resource.JOBS, place.namespace, a_job())
        await api.delete(Resource.JOBS, place.namespace, "j", "another-uid")
        await api.delete(Resource.JOBS, place.namespace, "never-was", "a-uid")
        (job,) = await listed(api, place, Resource.JOBS)
        assert "deletionTimestamp" not in job["metadata"]

    place.play(story)


def test_a_deleted_job_takes_its_pods_along_and_goes_last(place: Place):
    created: list[Object] = []

    async def create(api: KubeApi) -> None:
        created.append(await api.create(Resource.JOBS, place.namespace, a_job()))

    async def delete(api: KubeApi) -> None:
        assert len(await names(api, place, Resource.PODS)) == 1
        uid = created[0]["metadata"]["uid"]
        await api.delete(Resource.JOBS, place.namespace, "j", uid)

    async def is_empty(api: KubeApi) -> None:
        assert await names(api, place, Resource.PODS) == []
        assert await names(api, place, Resource.JOBS) == []

    place.play(create)
    place.let_pods_come("j")
    place.play(delete)
    place.let_go(Resource.JOBS, "j")
    place.play(is_empty)


def test_a_pod_whose_node_never_answers_goes_when_it_is_given_no_grace(place: Place):
    job = a_job()
    job["spec"]["template"]["spec"]["nodeName"] = NO_NODE

    async def create(api: KubeApi) -> None:
        await api.create(Resource.JOBS, place.namespace, job)

    async def delete(api: KubeApi) -> None:
        (found,) = await listed(api, place, Resource.JOBS)
        await api.delete(Resource.JOBS, place.namespace, "j", found["metadata"]["uid"])
        (pod,) = (found["metadata"] for found in await listed(api, place, Resource.PODS))
        where = (Resource.PODS, place.namespace, pod["name"])
        await api.delete(*where, "another-uid", grace_seconds=0)
        await api.delete(*where, pod["uid"], grace_seconds=0)

    place.play(create)
    place.let_pods_come("j")
    place.play(delete)
    place.let_go(Resource.JOBS, "j")


def test_a_job_past_its_deadline_has_failed_for_it_and_has_no_pods(place: Place):
    job = a_job()
    job["spec"]["activeDeadlineSeconds"] = 1

    async def create(api: KubeApi) -> None:
        await api.create(Resource.JOBS, place.namespace, job)

    async def has_failed(api: KubeApi) -> None:
        (found,) = await listed(api, place, Resource.JOBS)
        assert is_overdue(found)
        assert await names(api, place, Resource.PODS) == []

    place.play(create)
    place.let_pods_come("j")
    place.let_time_run_out("j")
    place.play(has_failed)


def test_a_status_is_written_over_the_version_that_was_read_and_no_other(place: Place):
    async def story(api: KubeApi) -> None:
        run = await api.create(Resource.RUNS, place.namespace, a_run())
        first = await api.apply_status(place.namespace, a_status(run, phase="Running"))
        assert first["status"]["phase"] == "Running"
        assert int(first["metadata"]["resourceVersion"]) > int(run["metadata"]["resourceVersion"])
        assert first["metadata"]["generation"] == run["metadata"]["generation"]
        with pytest.raises(ApiRefusedError) as refused:
            await api.apply_status(place.namespace, a_status(run, phase="Failed"))
        assert (refused.value.status, refused.value.reason) == (409, "Conflict")
        (kept,) = await listed(api, place, Resource.RUNS)
        assert kept["status"]["phase"] == "Running"

    place.play(story)


def test_what_a_status_no_longer_says_is_gone(place: Place):
    async def story(api: KubeApi) -> None:
        run = await api.create(Resource.RUNS, place.namespace, a_run())
        stages = [{"name": "prepare", "state": "Running"}, {"name": "old", "state": "Pending"}]
        said = a_status(run, phase="Running", currentStage="prepare", stages=stages)
        run = await api.apply_status(place.namespace, said)
        run = await api.apply_status(place.namespace, a_status(run, stages=stages[:1]))
        assert run["status"] == {"stages": stages[:1]}

    place.play(story)


def test_an_unchanged_status_is_no_new_version(place: Place):
    async def story(api: KubeApi) -> None:
        run = await api.create(Resource.RUNS, place.namespace, a_run())
        first = await api.apply_status(place.namespace, a_status(run, phase="Running"))
        again = await api.apply_status(place.namespace, a_status(first, phase="Running"))
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    place.play(story)


def test_a_status_that_the_schema_forbids_is_refused_for_good(place: Place):
    async def story(api: KubeApi) -> None:
        run = await api.create(Resource.RUNS, place.namespace, a_run())
        with pytest.raises(ApiRefusedError) as refused:
            await api.apply_status(place.namespace, a_status(run, phase="Nonsense"))
        assert (refused.value.status, refused.value.is_refusal) == (422, True)

    place.play(story)


def test_the_status_of_a_run_that_is_gone_is_refused(place: Place):
    async def story(api: KubeApi) -> None:
        gone = {"metadata": {"name": "never", "namespace": place.namespace, "resourceVersion": "1"}}
        with pytest.raises(ApiRefusedError) as refused:
            await api.apply_status(place.namespace, a_status(gone, phase="Running"))
        assert refused.value.is_gone

    place.play(story)


def a_deployment(replicas: int) -> Object:
    """Return a Deployment whose pods never start: no node takes them."""
    container = {"name": "server", "image": "none"}
    pod = {"nodeSelector": {"no": "node"}, "containers": [container]}
    labels = {"app": "d"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "annotations": {"replicas": str(replicas)}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_what_is_applied_is_made_and_changed_in_place(place: Place):
    async def story(api: KubeApi) -> None:
        def apply(replicas: int) -> Awaitable[Object]:
            return api.apply(Resource.DEPLOYMENTS, place.namespace, a_deployment(replicas))

        made = await apply(0)
        same = await apply(0)
        changed = await apply(1)
        uids = {found["metadata"]["uid"] for found in (made, same, changed)}
        assert len(uids) == 1
        assert [found["metadata"]["generation"] for found in (made, same, changed)] == [1, 1, 2]
        assert changed["spec"]["replicas"] == 1
        assert changed["metadata"]["annotations"]["replicas"] == "1"
        assert await names(api, place, Resource.DEPLOYMENTS) == ["d"]

    place.play(story)


def test_a_watch_tells_each_change_once_in_its_order_the_end_last(place: Place):
    since: list[int] = []
    versions: list[str] = []

    async def story(api: KubeApi) -> None:
        since.append((await api.list_all(Resource.RUNS)).version)
        run = await api.create(Resource.RUNS, place.namespace, a_run())
        versions.append(run["metadata"]["resourceVersion"])
        for phase in ("Running", "Succeeded"):
            run = await api.apply_status(place.namespace, a_status(run, phase=phase))
            versions.append(run["metadata"]["resourceVersion"])
        await api.delete(Resource.RUNS, place.namespace, RUN_NAME, run["metadata"]["uid"])

    place.play(story)
    place.let_go(Resource.RUNS, RUN_NAME)
    told = place.changes(Resource.RUNS, since[0], 5)
    assert [change[1] for change in told[:3]] == versions
    assert [int(change[1]) for change in told] == sorted({int(change[1]) for change in told})
    assert [change[2] for change in told] == [False, False, False, False, True]
