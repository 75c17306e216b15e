"""All of it together: control plane, kubelet, S3 server and the operator, as processes."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster.build import helm_program, kubectl_program
from tests.cluster.control_plane import ADMIN, KUBELET, OPERATOR, ControlPlane, free_port
from tests.cluster.processes import end, start
from tests.cluster.runs import STAND_IN_IMAGE
from tests.cluster.s3 import S3Server

ROOT = Path(__file__).parents[2]
IMAGE = "steerlm-jobs:test"
NAMESPACE = "steerlm-system"
QUICK: Final = {"progress_seconds": "1", "explain_seconds": "2", "stuck_seconds": "5"}
"""Settings of an operator whose looks a test waits for."""


@dataclass
class Cluster:
    """A cluster of processes below one folder. Use as a context manager."""

    root: Path
    num_gpu_nodes: int = 2
    audited_more: Sequence[dict[str, Any]] = ()
    """Rules of the audit policy for requests of which more than the metadata is kept."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _operator: subprocess.Popen[bytes] | None = None
    health_port: int = 0

    def __enter__(self) -> "Cluster":
        self.root.mkdir(parents=True, exist_ok=True)
        self.control_plane = self._stack.enter_context(
            ControlPlane(self.root / "control-plane", self.audited_more)
        )
        self.s3 = self._stack.enter_context(S3Server(self.root / "s3"))
        self.install_chart({})
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
            [kubectl_program(), "--kubeconfig", config, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            msg = f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
            raise AssertionError(msg)
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, namespace: str, document: dict[str, Any]) -> str:
        """Apply an object; return what kubectl says."""
        return self.kubectl("apply", "-n", namespace, "-f", "-", given=json.dumps(document))

    def make_store(self) -> None:
        """Make the buckets, and upload the quickstart's data."""
        for bucket in ("data", "runs"):
            self.s3.make_bucket(bucket)
        self.s3.upload(ROOT / "examples/data", "data", "quickstart")

    def make_namespace(self, name: str) -> None:
        """Make a namespace that holds the credentials of the store."""
        if name != "default":
            self.kubectl("create", "namespace", name)
        literals = [f"--from-literal={k}={v}" for k, v in self.s3.credentials.items()]
        self.kubectl("create", "-n", name, "secret", "generic", "s3-credentials", *literals)

    def install_chart(self, values: dict[str, Any]) -> dict[str, str]:
        """Install the chart, or bring it up to values; return what it tells the operator.

        The chart's own Deployment has an image that no node here knows: the operator is a process,
        with the rights that the chart gives it and the variables that its container would have.
        """
        helm = str(helm_program())
        config = str(self.control_plane.kubeconfig(ADMIN))
        chart = str(ROOT / "charts/steerlm-operator")
        command = [helm, "--kubeconfig", config, "upgrade", "--install", "steerlm", chart]
        done = subprocess.run(
            [*command, "-n", NAMESPACE, "--create-namespace", "-f", "-"],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"helm upgrade: {done.stderr.strip()}"
            raise AssertionError(msg)
        deployment = self.get("deployment/steerlm-operator", "-n", NAMESPACE)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return {variable["name"]: variable["value"] for variable in container["env"]}

    def wait_for(
        self, namespace: str, name: str, condition: str, *, seconds: int = 60
    ) -> dict[str, Any]:
        """Wait until a condition of a run holds (`Succeeded`, or `Succeeded=False`); return it.

        Raises:
            AssertionError: It did not in time; the message has the whole status, and the end of
                what each pod has printed.
        """
        target, until = f"steerlmrun/{name}", f"--timeout={seconds}s"
        wait = ("wait", "-n", namespace, target, f"--for=condition={condition}", until)
        said = self.kubectl(*wait, check=False)
        run: dict[str, Any] = self.get(target, "-n", namespace)
        if "condition met" not in said:
            status = json.dumps(run.get("status"), indent=1)
            msg = "\n".join([f"{said}: {status}", *self._said_by_pods(namespace)])
            raise AssertionError(msg)
        return run

    def _said_by_pods(self, namespace: str) -> list[str]:
        """Return the last lines of each pod's log, after its name, node and phase."""
        found = []
        for pod in self.get("pods", "-n", namespace)["items"]:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            log = self.root / "pods" / uid / "log.txt"
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            where = f"{pod['spec'].get('nodeName')}, {pod['status']['phase']}"
            found.append("\n  ".join([f"{name} ({where}):", *text.splitlines()[-15:]]))
        return found

    def wait_for_stage(
        self, namespace: str, name: str, stage: str, state: str, *, seconds: int = 60
    ) -> None:
        """Wait until a stage of a run is in a state."""
        path = f'{{.status.stages[?(@.name=="{stage}")].state}}'
        wait = ("wait", "-n", namespace, f"steerlmrun/{name}", f"--for=jsonpath={path}={state}")
        self.kubectl(*wait, f"--timeout={seconds}s")

    def wait_for_reason(self, namespace: str, name: str, reason: str, *, seconds: int = 60) -> None:
        """Wait until the first stage of a run has a reason."""
        wait = ("wait", "-n", namespace, f"steerlmrun/{name}", f"--timeout={seconds}s")
        self.kubectl(*wait, f"--for=jsonpath={{.status.stages[0].reason}}={reason}")

    def wait_until_heard(self, namespace: str, name: str, *, seconds: int = 60) -> None:
        """Wait until the first stage of a run has told how far it is."""
        wait = ("wait", "-n", namespace, f"steerlmrun/{name}", f"--timeout={seconds}s")
        self.kubectl(*wait, "--for=jsonpath={.status.stages[0].progress.unit}=steps")

    def patch(self, namespace: str, name: str, spec: dict[str, Any]) -> None:
        """Change fields of a run's spec."""
        body = json.dumps({"spec": spec})
        self.kubectl("patch", "slr", name, "-n", namespace, "--type=merge", "-p", body)

    def operator_rights(self) -> set[tuple[str, str]]:
        """Return (verb, resource) of all that the chart lets the operator do.

        Two are asked for by the server itself: `steerlmruns/finalizers`, for owner references, and
        to create Deployments, for an apply that creates one.
        """
        of_server = {("update", "steerlmruns/finalizers"), ("create", "deployments")}
        rules = self.get("clusterrole", "steerlm-operator")["rules"]
        return {
            (verb, resource)
            for rule in rules
            for resource in rule["resources"]
            for verb in rule["verbs"]
        } - of_server

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def start_operator(
        self, kubeconfig: Path | None = None, **settings: str
    ) -> subprocess.Popen[bytes]:
        """Start the operator under its own identity; it has the rights that the chart gives it.

        Args:
            kubeconfig: How it reaches the API server, if not straight.
            settings: Its settings, by the names of their fields.
        """
        self.health_port = free_port()
        environment = {
            **PATHS,
            "KUBECONFIG": str(kubeconfig or self.control_plane.kubeconfig(OPERATOR)),
            "STEERLM_OPERATOR_HEALTH_PORT": str(self.health_port),
            "STEERLM_OPERATOR_HOST": "127.0.0.1",
            "STEERLM_OPERATOR_STAGE_PODS": json.dumps(self.stage_pods()),
            **{f"STEERLM_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        command = [sys.executable, "-P", "-m", "steerlm_operator"]
        self._operator = start(
            command, self.root / "operator.log", environment=environment, at=ROOT
        )
        return self._operator

    def stage_pods(self) -> dict[str, Any]:
        """What the chart would say of stage pods here."""
        s3 = {"endpointUrl": self.s3.url, "region": "us-east-1"}
        return {"image": IMAGE, "graceSeconds": 20, "s3": s3}

    def operator_runs(self) -> bool:
        """Return True if the operator was started and has not ended."""
        return self._operator is not None and self._operator.poll() is None

    def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End the operator; return its exit code, None if it did not run."""
        if self._operator is None:
            return None
        self._operator.send_signal(number)
        code = self._operator.wait(30)
        self._operator = None
        return code

    def _start_kubelet(self) -> None:
        command = [
            *(sys.executable, "-m", *self.kubelet_program()),
            *("--kubeconfig", str(self.control_plane.kubeconfig(KUBELET))),
            *("--root", str(self.root / "pods")),
        ]
        self.kubelet = start(command, self.root / "kubelet.log", environment=PATHS, at=ROOT)
        self._stack.callback(end, self.kubelet)

    def kubelet_program(self) -> list[str]:
        """Return the module that is the kubelet, and what it is told beside where to work."""
        images = {IMAGE: "steerlm_jobs", STAND_IN_IMAGE: "tests.cluster.stand_in"}
        program = ["tests.cluster.kubelet", "--gpu-nodes", str(self.num_gpu_nodes)]
        for name, module in images.items():
            program += ["--image", f"{name}={module}"]
        return program


PATHS = {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
