"""A cluster to try things on: `python -m tests.cluster up` and `down`; see `make cluster`."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.cluster.build import (
    CannotBuildError,
    control_plane,
    helm_program,
    kubectl_program,
    s3_server,
)
from tests.cluster.cluster import NAMESPACE, ROOT, Cluster
from tests.cluster.control_plane import ADMIN

FOLDER = ROOT / "runs/cluster"
START_SECONDS = 120


def up(folder: Path) -> int:
    """Start a cluster in the background and say how to use it; return an exit code."""
    if _pid(folder) is not None:
        print(f"a cluster runs already (process {_pid(folder)}); `make cluster-down` ends it")
        return 1
    try:
        print(
            "making ready what a cluster is made of; the first time this takes some eight minutes"
        )
        for build in (kubectl_program, s3_server, helm_program, control_plane):
            build()
    except CannotBuildError as error:
        print(f"no cluster: {error}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "log.txt").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tests.cluster", "serve", "--folder", str(folder)],
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and not (folder / "ready").exists():
        time.sleep(0.2)
    if not (folder / "ready").exists():
        print(f"the cluster did not start; see {folder / 'log.txt'}")
        return 1
    print(
        "the cluster is up: control plane, nodes cpu-0, gpu-0, gpu-1, S3 server, operator\n"
        f"\n  export KUBECONFIG={(folder / 'kubeconfig').absolute()}"
        "\n  kubectl apply -f crds/examples/quickstart.yaml"
        "\n  kubectl get steerlmruns --watch\n"
        "\npods are processes here, and `kubectl logs` does not reach them. Their logs:"
        f"\n  {folder}/pods/UID/log.txt, of the operator {folder}/operator.log"
        "\n`make cluster-down` ends it; the next `make cluster` deletes its runs and results"
    )
    return 0


def serve(folder: Path) -> None:
    """Keep a cluster until SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    with Cluster(folder) as cluster:
        cluster.make_store()
        cluster.make_namespace("default")
        cluster.start_operator(progress_seconds="5")
        # That operator is a process; nobody could pull the image of the chart's.
        cluster.kubectl("scale", "deployment/steerlm-operator", "-n", NAMESPACE, "--replicas=0")
        shutil.copy(cluster.control_plane.kubeconfig(ADMIN), folder / "kubeconfig")
        (folder / "ready").touch()
        stopped.wait()


def down(folder: Path) -> int:
    """End the cluster; return an exit code."""
    pid = _pid(folder)
    if pid is None:
        print("no cluster runs")
        return 0
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + START_SECONDS
    while _pid(folder) is not None and time.monotonic() < until:
        time.sleep(0.1)
    print(f"the cluster is down; its logs and results stay in {folder} until the next one starts")
    return 0


def _pid(folder: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text(encoding="utf-8"))
        os.kill(pid, 0)
        return pid
    return None


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "serve"])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    match given.verb:
        case "up":
            return up(given.folder)
        case "down":
            return down(given.folder)
        case _:
            serve(given.folder)
            return 0


if __name__ == "__main__":
    sys.exit(main())
