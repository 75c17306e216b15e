"""Objects as an API server gives them; only what matters is told."""

from typing import Any

Object = dict[str, Any]


def a_run(version: int = 1, uid: str = "run-uid", **more: Any) -> Object:
    metadata = {
        "name": "r",
        "namespace": "ml",
        "uid": uid,
        "resourceVersion": str(version),
        "generation": 1,
    }
    return {
        "apiVersion": "steerlm.dev/v1alpha1",
        "kind": "SteerLMRun",
        "metadata": metadata,
        "spec": {},
        **more,
    }


def a_job(
    stage: str = "prepare",
    attempt: int = 1,
    version: int = 1,
    *,
    completions: int = 1,
    conditions: tuple[str, ...] = (),
) -> Object:
    return {
        "metadata": {
            "name": f"r-{stage}-{attempt}",
            "namespace": "ml",
            "uid": f"job-{stage}-{attempt}",
            "resourceVersion": str(version),
            "labels": {
                "steerlm.dev/run-uid": "run-uid",
                "steerlm.dev/stage": stage,
                "steerlm.dev/attempt": str(attempt),
            },
        },
        "spec": {"completions": completions},
        "status": {"conditions": [{"type": c, "status": "True"} for c in conditions]},
    }


def a_pod(
    job: Object,
    index: int = 0,
    *,
    code: int | None = None,
    message: str = "",
    reason: str = "Error",
    is_disrupted: bool = False,
    ended_at: str = "2026-01-01T00:00:09Z",
) -> Object:
    state: Object = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    if code is not None:
        state = {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                "message": message,
                "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": ended_at,
            }
        }
    disrupted = [{"type": "DisruptionTarget", "status": "True"}] if is_disrupted else []
    phase = "Running" if code is None else "Succeeded" if code == 0 else "Failed"
    return {
        "metadata": {
            "name": f"{job['metadata']['name']}-{index}",
            "uid": f"pod-{job['metadata']['uid']}-{index}",
            "resourceVersion": "1",
            "labels": {
                **job["metadata"]["labels"],
                "batch.kubernetes.io/job-completion-index": str(index),
            },
            "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
        },
        "spec": {"nodeName": "gpu-0"},
        "status": {
            "phase": phase,
            "conditions": disrupted,
            "containerStatuses": [{"name": "stage", "state": state}],
        },
    }
