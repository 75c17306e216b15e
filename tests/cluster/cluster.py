"""All of it together: control plane, kubelet, S3 server and the operator, as processes."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ADMIN, KUBELET, OPERATOR, ControlPlane, free_port
from tests.cluster.s3 import S3Server

ROOT = Path(__file__).parents[2]
IMAGE = "steerlm-jobs:test"
NAMESPACE = "steerlm-system"


@dataclass
class Cluster:
    """A cluster of processes below one folder. Use as a context manager."""

    root: Path
    num_gpu_nodes: int = 2
    _stack: ExitStack = field(default_factory=ExitStack)
    _operator: subprocess.Popen[bytes] | None = None
    health_port: int = 0

    def __enter__(self) -> "Cluster":
        self.root.mkdir(parents=True, exist_ok=True)
        self.control_plane = self._stack.enter_context(ControlPlane(self.root / "control-plane"))
        self.s3 = self._stack.enter_context(S3Server(self.root / "s3"))
        self.kubectl("apply", "-f", str(ROOT / "crds/steerlmruns.yaml"))
        self.kubectl("wait", "--for=condition=Established", "crd/steerlmruns.steerlm.dev")
        self._start_kubelet()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_operator()
        self._stack.close()

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """Run kubectl as the administrator; return what it prints.

        Raises:
            AssertionError: It failed, and it was not to.
        """
        config = str(self.control_plane.kubeconfig(ADMIN))
        done = subprocess.run(
            ["kubectl", "--kubeconfig", config, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            msg = f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
            raise AssertionError(msg)
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def start_operator(self, **settings: str) -> None:
        """Start the operator under its own identity; it has the rights that the chart gives it."""
        self.health_port = free_port()
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.control_plane.kubeconfig(OPERATOR)),
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
            "STEERLM_OPERATOR_HEALTH_PORT": str(self.health_port),
            "STEERLM_OPERATOR_HOST": "127.0.0.1",
            "STEERLM_OPERATOR_STAGE_PODS": json.dumps(self._stage_pods()),
            **{f"STEERLM_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        with (self.root / "operator.log").open("ab") as log:
            self._operator = subprocess.Popen(
                [sys.executable, "-P", "-m", "steerlm_operator"],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=ROOT,
            )

    def _stage_pods(self) -> dict[str, Any]:
        """What the chart would say of stage pods here."""
        s3 = {"endpointUrl": self.s3.url, "region": "us-east-1"}
        return {"image": IMAGE, "graceSeconds": 20, "s3": s3}

    def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End the operator; return its exit code, None if it did not run."""
        if self._operator is None:
            return None
        self._operator.send_signal(number)
        code = self._operator.wait(30)
        self._operator = None
        return code

    def _start_kubelet(self) -> None:
        with (self.root / "kubelet.log").open("wb") as log:
            kubelet = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.cluster.kubelet"),
                    *("--kubeconfig", str(self.control_plane.kubeconfig(KUBELET))),
                    *("--root", str(self.root / "pods"), "--image", IMAGE),
                    *("--gpu-nodes", str(self.num_gpu_nodes)),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
                cwd=ROOT,
            )
        self._stack.callback(kubelet.wait)
        self._stack.callback(kubelet.terminate)
