"""Runs of stand-in stages on a real control plane: each ending, each wish of a user."""

import json
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import QUICK, Cluster
from tests.cluster.control_plane import OPERATOR_USER
from tests.cluster.runs import a_stand_in_run
from tests.quickstart import STAGES

pytestmark = pytest.mark.cluster
MOST_POLLED = 1
"""Writes for nothing but progress, one a minute: a run of these takes less."""


def states(run: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["state"] for stage in run["status"]["stages"]}


def jobs(cluster: Cluster, namespace: str) -> list[str]:
    found = cluster.get("jobs", "-n", namespace)["items"]
    return sorted(job["metadata"]["labels"]["steerlm.dev/stage"] for job in found)


def jobs_of(cluster: Cluster, which: tuple[str, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("jobs", *which)["items"]
    return found


def a_run_that_prepares_slowly(folder: Path) -> dict[str, Any]:
    """Return a run without iterations, whose first stage takes long enough to be disturbed."""
    run = a_stand_in_run(folder)
    run["spec"]["bootstrap"]["iterations"] = 0
    slow = {"name": "STAND_IN_STEP_SECONDS", "value": "0.3"}
    run["spec"]["stages"].setdefault("prepare", {})["env"] = [slow]
    return run


def written(cluster: Cluster, namespace: str) -> Counter[str]:
    """Return how often the operator wrote in a namespace, by kind, as the audit log has it."""
    return Counter(
        line["objectRef"]["resource"]
        for line in cluster.control_plane.audit_log()
        if line["user"]["username"] == OPERATOR_USER
        and line["verb"] in {"create", "patch", "delete"}
        and line["objectRef"].get("namespace") == namespace
        and line["responseStatus"]["code"] < 300
    )


def test_a_run_succeeds_with_one_job_a_stage(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder))
    run = cluster.wait_for(namespace, "r", "Succeeded")
    assert states(run) == dict.fromkeys(STAGES, "Succeeded")
    assert jobs(cluster, namespace) == sorted(STAGES)
    shown = cluster.kubectl("get", "slr", "r", "-n", namespace, "--no-headers").split()
    assert shown[:5] == ["r", "Succeeded", "8/8", "0", "RunSucceeded"]
    once = 2 + 1  # Service and NetworkPolicy; the status that says it has ended
    writes = written(cluster, namespace)
    assert writes["jobs"] == len(STAGES)
    assert writes.total() - writes["events"] <= 3 * len(STAGES) + once + MOST_POLLED
    assert writes["events"] <= 2 * len(STAGES) + 2


def test_gpu_stages_run_on_nodes_with_the_a100_label_and_others_elsewhere(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, gpus=8))
    run = cluster.wait_for(namespace, "r", "Succeeded")
    pods = cluster.get("pods", "-n", namespace)["items"]
    nodes = {p["metadata"]["labels"]["steerlm.dev/stage"]: p["spec"]["nodeName"] for p in pods}
    assert nodes["train-apm"].startswith("gpu-")
    assert nodes["train-acsft-1"].startswith("gpu-")
    assert run["status"]["gpuSeconds"] > 0


def test_a_second_run_of_the_same_is_cached_and_makes_no_gpu_pod(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    first = a_stand_in_run(stand_in_folder, gpus=8)
    cluster.apply(namespace, first)
    cluster.wait_for(namespace, "r", "Succeeded")
    second = a_stand_in_run(stand_in_folder, name="again", gpus=8)
    second["spec"]["storage"] = first["spec"]["storage"]
    cluster.apply(namespace, second)
    run = cluster.wait_for(namespace, "again", "Succeeded")
    assert states(run) == dict.fromkeys(STAGES, "Cached")
    of_second = f"steerlm.dev/run-uid={run['metadata']['uid']}"
    pods = cluster.get("pods", "-n", namespace, "-l", of_second)["items"]
    assert [p["metadata"]["labels"]["steerlm.dev/stage"] for p in pods] == ["prepare"]


@pytest.mark.parametrize(
    ("code", "reason", "attempts"),
    [
        (10, "BadConfig", 1),
        (11, "BadInput", 1),
        (12, "Diverged", 1),
        (13, "OutOfMemory", 1),
        (1, "StageCrashed", 3),
        (20, "StoreUnavailable", 3),
        (22, "Stalled", 3),
        (137, "StageKilled", 3),
    ],
)
def test_each_exit_code_has_its_reason_and_its_budget(
    cluster: Cluster, namespace: str, stand_in_folder: Path, code: int, reason: str, attempts: int
) -> None:
    failing = {"STAND_IN_STAGE": "train-apm", "STAND_IN_EXIT": str(code)}
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, **failing))
    run = cluster.wait_for(namespace, "r", "Succeeded=False")
    stage = run["status"]["stages"][1]
    assert (stage["state"], stage["reason"], stage["attempt"]) == ("Failed", reason, attempts)
    assert reason in cluster.kubectl("describe", "slr", "r", "-n", namespace)


def test_suspend_ends_the_pods_and_resume_goes_on(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    slow = a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.5")
    cluster.apply(namespace, slow)
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    cluster.patch(namespace, "r", {"suspend": True})
    cluster.wait_for(namespace, "r", "Suspended")
    cluster.kubectl("wait", "-n", namespace, "--for=delete", "jobs", "--all", "--timeout=60s")
    cluster.patch(namespace, "r", {"suspend": False})
    run = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    prepare = run["status"]["stages"][0]
    assert (prepare["attempt"], prepare["failures"], prepare["disruptions"]) == (2, 0, 0)


@pytest.mark.parametrize(("shutdown", "reason"), [("Terminate", "Terminated"), ("Stop", "Stopped")])
def test_shutdown_ends_a_run(
    cluster: Cluster, namespace: str, stand_in_folder: Path, shutdown: str, reason: str
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.3"))
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    cluster.patch(namespace, "r", {"shutdown": shutdown})
    run = cluster.wait_for(namespace, "r", "Succeeded=False")
    assert run["status"]["phase"] == "Stopped"
    succeeded = next(c for c in run["status"]["conditions"] if c["type"] == "Succeeded")
    assert succeeded["reason"] == reason
    assert states(run)["prepare"] == ("Succeeded" if shutdown == "Stop" else "Cancelled")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("evict", "Interrupted"),
        ("oom", "OOMKilled"),
        ("kill", "StageKilled"),
        ("freeze", "Stalled"),
    ],
)
def test_a_pod_that_is_lost_is_replaced_by_the_next_attempt(
    cluster: Cluster, namespace: str, stand_in_folder: Path, fault: str, reason: str
) -> None:
    run = a_run_that_prepares_slowly(stand_in_folder)
    if fault == "freeze":
        run["spec"]["stages"]["prepare"]["stallTimeoutSeconds"] = 8
        run["spec"]["stages"]["prepare"]["env"][0]["value"] = "1"
    cluster.apply(namespace, run)
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    if fault == "freeze":
        cluster.wait_until_heard(namespace, "r")  # the silence of what was never heard says nothing
    pod = cluster.get("pods", "-n", namespace)["items"][0]["metadata"]["name"]
    cluster.kubectl("annotate", "-n", namespace, f"pod/{pod}", f"steerlm.dev/fault={fault}")
    run = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    prepare = run["status"]["stages"][0]
    assert prepare["attempt"] == 2
    assert prepare["lastFailures"][0]["reason"] == reason
    counted = "disruptions" if fault == "evict" else "failures"
    assert prepare[counted] == 1


def test_a_job_that_somebody_deletes_is_replaced_by_the_next_attempt(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_run_that_prepares_slowly(stand_in_folder))
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    cluster.kubectl("delete", "jobs", "--all", "-n", namespace, "--timeout=60s")
    run = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    prepare = run["status"]["stages"][0]
    assert (prepare["attempt"], prepare["failures"], prepare["disruptions"]) == (2, 0, 1)
    assert prepare["lastFailures"][0]["reason"] == "JobDeletedExternally"
    assert "JobDeletedExternally" in cluster.kubectl("describe", "slr", "r", "-n", namespace)


def test_a_failed_run_goes_on_from_its_good_results_when_asked(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    document = a_stand_in_run(stand_in_folder)
    document["spec"]["activeDeadlineSeconds"] = 1
    cluster.apply(namespace, document)
    run = cluster.wait_for(namespace, "r", "Succeeded=False")
    done = [name for name, state in states(run).items() if state == "Succeeded"]
    cluster.patch(namespace, "r", {"activeDeadlineSeconds": 1000, "retry": {"count": 1}})
    run = cluster.wait_for(namespace, "r", "Succeeded")
    kept = {stage["name"]: stage["attempt"] for stage in run["status"]["stages"]}
    assert all(kept[name] == 1 for name in done)


def test_a_finished_stage_whose_pods_were_collected_does_not_run_again(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.1"))
    cluster.wait_for_stage(namespace, "r", "train-apm", "Running")
    cluster.stop_operator(signal.SIGKILL)
    of_stage = ("-n", namespace, "-l", "steerlm.dev/stage=train-apm")
    cluster.kubectl("wait", "job", *of_stage, "--for=condition=Complete", "--timeout=60s")
    cluster.kubectl("delete", "pods", *of_stage, "--timeout=60s")
    cluster.start_operator(**QUICK)
    run = cluster.wait_for(namespace, "r", "Succeeded", seconds=120)
    assert states(run) == dict.fromkeys(STAGES, "Succeeded")
    assert run["status"]["stages"][1]["attempt"] == 1
    roles = [
        job["metadata"]["labels"].get("steerlm.dev/role", "") for job in jobs_of(cluster, of_stage)
    ]
    assert sorted(roles) == ["", "probe"]


def test_a_deleted_run_takes_its_objects_along(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    cluster.apply(namespace, a_stand_in_run(stand_in_folder, STAND_IN_STEP_SECONDS="0.3"))
    cluster.wait_for_stage(namespace, "r", "prepare", "Running")
    cluster.kubectl("delete", "slr", "r", "-n", namespace, "--timeout=30s")
    cluster.kubectl("wait", "-n", namespace, "--for=delete", "jobs", "--all", "--timeout=60s")


def test_a_poisoned_run_disturbs_no_other(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    """The poisoned one is begun: its status can be read, and tells of no stage of its graph.

    One that cannot be read is left alone: tests/scenario/test_rollback.py.
    """
    poisoned = a_stand_in_run(stand_in_folder, name="poisoned")
    poisoned["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    cluster.apply(namespace, poisoned)
    patch = json.dumps({"status": {"phase": "Failed", "stages": [{"name": "x" * 60000}]}})
    arguments = ("patch", "slr", "poisoned", "-n", namespace, "--subresource=status")
    cluster.kubectl(*arguments, "--type=merge", "-p", patch)
    cluster.kubectl("annotate", "slr", "poisoned", "-n", namespace, "steerlm.dev/reconcile-")
    cluster.apply(namespace, a_stand_in_run(stand_in_folder))
    cluster.wait_for(namespace, "r", "Succeeded")


def test_a_missing_secret_is_named_and_its_coming_is_enough(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["storage"]["credentials"]["secretName"] = "later"
    cluster.apply(namespace, run)
    cluster.wait_for_reason(namespace, "r", "VolumeNotReady")
    assert '"later" not found' in cluster.kubectl("describe", "slr", "r", "-n", namespace)
    literal = "--from-literal=AWS_ACCESS_KEY_ID=a"
    cluster.kubectl("create", "-n", namespace, "secret", "generic", "later", literal)
    why = "references non-existent secret key: AWS_SECRET_ACCESS_KEY"
    message = f'MountVolume.SetUp failed for volume "store-credentials" : {why}'
    told = f"--for=jsonpath={{.status.stages[0].message}}={message}"
    cluster.kubectl("wait", "-n", namespace, "slr/r", told, "--timeout=60s")
    rest = '{"stringData": {"AWS_SECRET_ACCESS_KEY": "b"}}'
    cluster.kubectl("patch", "-n", namespace, "secret", "later", "-p", rest)
    cluster.wait_for(namespace, "r", "Succeeded")


def test_a_stage_that_no_node_takes_says_what_the_scheduler_says(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["stages"]["prepare"] = {"resources": {"gpus": 64}}
    cluster.apply(namespace, run)
    cluster.wait_for_reason(namespace, "r", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in cluster.kubectl("describe", "slr", "r", "-n", namespace)


def test_an_image_that_cannot_be_pulled_is_named(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["defaults"]["image"] = "nowhere:1"
    cluster.apply(namespace, run)
    cluster.wait_for_reason(namespace, "r", "ImageNotPulled")


def test_a_run_is_deleted_when_its_time_is_over(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    run = a_stand_in_run(stand_in_folder)
    run["spec"]["ttlSecondsAfterFinished"] = 1
    cluster.apply(namespace, run)
    cluster.kubectl("wait", "-n", namespace, "--for=delete", "slr/r", "--timeout=90s")


def test_the_operator_says_that_it_is_well_and_what_it_does(cluster: Cluster) -> None:
    def said(path: str) -> str:
        url = f"http://127.0.0.1:{cluster.health_port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    assert [said(path) for path in ("/livez", "/readyz")] == ["ok\n"] * 2
    figures = dict(
        line.rsplit(" ", 1) for line in said("/metrics").splitlines() if not line.startswith("#")
    )
    assert float(figures["steerlm_pass_seconds_count"]) > 0
    assert float(figures["steerlm_runs"]) == len(cluster.get("slr", "-A")["items"])


def test_a_credential_of_the_store_stands_in_its_secrets_alone(cluster: Cluster) -> None:
    """Over all that the tests before have left: objects, their Events, the operator's log."""
    kinds = "steerlmruns,jobs,pods,events,services,deployments,networkpolicies"
    told = cluster.kubectl("get", kinds, "-A", "-o", "json")
    log = (cluster.root / "operator.log").read_text(encoding="utf-8", errors="replace")
    assert "s3-credentials" in told
    assert [name for name, value in cluster.s3.credentials.items() if value in told + log] == []


def test_the_operator_uses_every_verb_it_has_and_is_refused_none(cluster: Cluster) -> None:
    """By the audit log, over all tests that ran before; so it stands last in the file.

    What a quota refuses is 403, too, but was allowed by the rights.
    """
    audit = cluster.control_plane.audit_log()
    calls = [line for line in audit if line["user"]["username"] == OPERATOR_USER]
    decision = "authorization.k8s.io/decision"
    refused = {line["requestURI"] for line in calls if line["annotations"][decision] != "allow"}
    assert refused == set()
    used = {(line["verb"], _resource(line["objectRef"])) for line in calls if "objectRef" in line}
    assert used == cluster.operator_rights()


def _resource(reference: dict[str, str]) -> str:
    name, below = reference["resource"], reference.get("subresource", "")
    return f"{name}/{below}" if below else name
