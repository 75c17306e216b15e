"""The audit log of the API server, as the benchmark of the operator reads it."""

import json
from typing import Any

from benchmarks.operator.audit import Write, writes


def a_line(**changes: Any) -> bytes:
    entry = {
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/default/pods/p/status",
        "verb": "patch",
        "user": {"username": "kubelet"},
        "objectRef": {"resource": "pods", "name": "p", "subresource": "status"},
        "responseStatus": {"code": 200},
        "stageTimestamp": "1970-01-01T00:01:40.250000Z",
        **changes,
    }
    return json.dumps(entry).encode()


def test_a_write_is_dated_by_its_answer() -> None:
    assert list(writes([a_line()])) == [
        Write(100.25, "kubelet", "patch", "pods/status", "p", 200, None)
    ]


def test_a_write_whose_name_the_server_finds_has_none() -> None:
    line = a_line(verb="create", objectRef={"resource": "events"}, requestObject={"reason": "A"})
    assert list(writes([line])) == [
        Write(100.25, "kubelet", "create", "events", "", 200, {"reason": "A"})
    ]


def test_reads_watches_and_questions_about_no_object_are_no_writes() -> None:
    lines = [a_line(verb=verb) for verb in ("get", "list", "watch")]
    lines.append(a_line(stage="ResponseStarted"))
    review = json.loads(a_line(verb="create"))
    del review["objectRef"]
    assert list(writes([*lines, json.dumps(review).encode()])) == []


def test_a_line_that_is_still_being_written_is_left_out() -> None:
    assert list(writes([a_line()[:-9]])) == []


def test_a_refused_write_is_told_as_refused() -> None:
    (refused,) = writes([a_line(responseStatus={"code": 409})])
    assert not refused.is_granted
