"""Writes as the audit log tells of them; only what matters is told."""

from typing import Any

from benchmarks.operator.audit import Write

KUBELET, OPERATOR, CONTROLLER = "kubelet", "operator", "admin"


def a_write(
    at: float, verb: str, resource: str, name: str = "", *, user: str = CONTROLLER, **more: Any
) -> Write:
    return Write(at, user, verb, resource, name, more.get("code", 200), more.get("body"))


def a_job(at: float, name: str, **more: Any) -> Write:
    return a_write(at, "create", "jobs", name, user=OPERATOR, **more)


def a_status(at: float, run: str, status: dict[str, Any], **more: Any) -> Write:
    body = {"status": status}
    return a_write(at, "patch", "steerlmruns/status", run, user=OPERATOR, body=body, **more)


def an_event(at: float, run: str) -> Write:
    body = {"involvedObject": {"name": run}}
    return a_write(at, "create", "events", user=OPERATOR, body=body)
