"""How far chains are, as the benchmark of the operator reads it off the audit log."""

import json
from pathlib import Path

from benchmarks.operator.scene import Tail
from tests.cluster.control_plane import KUBELET_USER


def a_line(namespace: str, *, resource: str = "pods", code: int = 200) -> str:
    entry = {
        "verb": "patch",
        "user": {"username": KUBELET_USER},
        "objectRef": {
            "resource": resource,
            "namespace": namespace,
            "name": "p",
            "subresource": "status",
        },
        "responseStatus": {"metadata": {}, "code": code},
    }
    return json.dumps(entry, separators=(",", ":")) + "\n"


def test_only_what_is_said_of_the_pods_of_stages_counts(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    others = a_line("steerlm-system") + a_line("default", code=404)
    others += a_line("default", resource="nodes")
    log.write_text(others + a_line("default") + a_line("default"), encoding="utf-8")
    tail = Tail(log, lambda _text: None)
    tail.wait_for_reports(1, "pods")
    assert tail.num_reports == 2
