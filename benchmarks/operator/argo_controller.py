"""Argo Workflows' controller: built here from the Go module proxy, and run beside a control plane.

Nothing of Argo's is in this project: its program, its own pins of what it is built from, and its
custom resource definitions come from its Go module, whose checksum Go verifies.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.operator.scene import wait_until
from tests.cluster.build import cache_folder, go_tool
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ADMIN
from tests.cluster.processes import end, start
from tests.cluster.runs import STAND_IN_IMAGE

VERSION: Final = "v3.7.3"
_MODULE: Final = "github.com/argoproj/argo-workflows/v3"
_NAMESPACE: Final = "argo"
_WORKS: Final = "Performing periodic GC"
"""Said once it leads and has read all there is."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is not as installed by default."""

    flags: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


AS_INSTALLED: Final = Tuning()
TUNED: Final = Tuning(("--qps=500", "--burst=1000"), (("DEFAULT_REQUEUE_TIME", "1s"),))
"""It looks at a Workflow again after 1 s, not 10 s: less makes it read stale caches, its source
says. It may ask the API server as often as the other controllers here, not 20 times a second."""


def controller() -> Path:
    """Return the controller's program, built on first use (some six minutes).

    Raises:
        CannotBuildError: There is no Go, the proxy does not have it, or the build failed.
    """
    program = cache_folder() / f"argo-workflow-controller-{VERSION}"
    if not program.exists():
        part = program.with_name(f"{program.name}.part-{os.getpid()}")
        # In the module's own folder its go.mod counts with all that it replaces; `go install`
        # refuses that. Without C, as its images are built.
        version = f"-X {_MODULE}.version={VERSION}"
        build = ("build", "-ldflags", version, "-o", str(part), "./cmd/workflow-controller")
        go_tool(*build, at=_module(), environment={"CGO_ENABLED": "0"})
        part.rename(program)
    return program


@contextmanager
def argo_at_work(cluster: Cluster, tuning: Tuning) -> Iterator[subprocess.Popen[bytes]]:
    """Install Argo Workflows and run its controller; it sees what happens from here on."""
    _install(cluster)
    log = cluster.root / "argo.log"
    process = start(
        [
            *(str(controller()), "--namespace", _NAMESPACE, *tuning.flags),
            *("--kubeconfig", str(cluster.control_plane.kubeconfig(ADMIN))),
            *("--executor-image", STAND_IN_IMAGE),  # of init and wait: the kubelet knows no other
        ],
        log,
        # As its Deployment has it: the pod's name, so that it elects a leader.
        environment={
            "LEADER_ELECTION_IDENTITY": "workflow-controller-0",
            **dict(tuning.environment),
        },
        at=cluster.root,
    )

    wait_until(lambda: _WORKS in log.read_text(encoding="utf-8"), 1, what="argo")
    yield process
    end(process)


def _install(cluster: Cluster) -> None:
    """Make the definitions, the namespace and the empty settings of its installation."""
    folder = _module() / "manifests/base/crds/minimal"
    for file in sorted(folder.glob("argoproj.io_*.yaml")):
        cluster.kubectl("create", "-f", str(file))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    cluster.kubectl("create", "namespace", _NAMESPACE)
    settings = "workflow-controller-configmap"
    cluster.kubectl("create", "configmap", settings, "-n", _NAMESPACE)


def _module() -> Path:
    """Return the folder of Argo's Go module, fetched if it is not there."""
    told = go_tool("mod", "download", "-json", f"{_MODULE}@{VERSION}", at=Path(__file__).parent)
    return Path(json.loads(told)["Dir"])
