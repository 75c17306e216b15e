"""etcd, API server, controller manager and scheduler as processes on this machine."""

import contextlib
import json
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.build import control_plane
from tests.cluster.processes import end, start

ADMIN = "admin"
KUBELET = "kubelet"
OPERATOR = "operator"
KUBELET_USER = "process-kubelet"
OPERATOR_USER = "system:serviceaccount:steerlm-system:steerlm-operator"
START_SECONDS = 60
_ANSWERED = ("ResponseStarted", "ResponseComplete")
_METADATA = {"level": "Metadata"}


@dataclass
class ControlPlane:
    """A running control plane below one folder. Use as a context manager."""

    root: Path
    audited_more: Sequence[dict[str, Any]] = ()
    """Rules of the audit policy for requests of which more than the metadata is kept."""
    tokens: dict[str, str] = field(default_factory=dict)
    port: int = 0
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> "ControlPlane":
        programs = control_plane()
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._write_files()
        etcd = f"http://127.0.0.1:{free_port()}"
        self._start(
            [
                str(programs / "etcd"),
                str(self.root / "etcd"),
                etcd,
                f"http://127.0.0.1:{free_port()}",
            ]
        )
        self._start([str(programs / "kube-apiserver"), *self._api_server_flags(etcd)])
        self._wait_until_ready()
        admin = str(self.kubeconfig(ADMIN))
        shared = ["--leader-elect=false", f"--kubeconfig={admin}", "--secure-port=0"]
        self._start(
            [
                str(programs / "kube-controller-manager"),
                *shared,
                f"--service-account-private-key-file={self.root / 'sa.key'}",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
                "--node-monitor-grace-period=20s",
            ]
        )
        self._start(
            [
                str(programs / "kube-scheduler"),
                *shared,
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ]
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            end(process)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def audit_file(self) -> Path:
        return self.root / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        """Return the kubeconfig of a user."""
        return self.root / f"{user}.kubeconfig"

    def audit_log(self) -> list[dict[str, Any]]:
        """Return what the API server was asked and has answered; a watch counts from its start."""
        text = self.audit_file.read_text(encoding="utf-8")
        lines = (json.loads(line) for line in text.splitlines() if line.endswith("}"))
        return [line for line in lines if line.get("stage") in _ANSWERED]

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def _api_server_flags(self, etcd: str) -> list[str]:
        key = self.root / "sa.key"
        flags = {
            "etcd-servers": etcd,
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "cert-dir": self.root / "certs",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-signing-key-file": key,
            "service-account-key-file": key,
            "token-auth-file": self.root / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": "10.0.0.0/24",
            "audit-policy-file": self.root / "audit.yaml",
            "audit-log-path": self.audit_file,
            "audit-log-maxsize": 2000,
            "endpoint-reconciler-type": "none",
            "max-requests-inflight": 2000,
            "max-mutating-requests-inflight": 1000,
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _write_files(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self.root / "sa.key").write_bytes(pem)
        users = {
            ADMIN: ("admin", "system:masters"),
            KUBELET: (KUBELET_USER, "system:masters"),
            OPERATOR: (OPERATOR_USER, "system:serviceaccounts"),
        }
        rows = []
        for name, (user, group) in users.items():
            self.tokens[name] = secrets.token_hex(16)
            rows.append(f'{self.tokens[name]},{user},{name},"{group}"')
            self._write_kubeconfig(name)
        (self.root / "tokens.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [*self.audited_more, _METADATA],
        }
        (self.root / "audit.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")

    def _write_kubeconfig(self, user: str) -> None:
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [
                {
                    "name": "tests",
                    "context": {"cluster": "tests", "user": user, "namespace": "default"},
                }
            ],
            "current-context": "tests",
        }
        self.kubeconfig(user).write_text(yaml.safe_dump(config), encoding="utf-8")

    def _start(self, command: list[str]) -> None:
        log = self.root / f"{Path(command[0]).name}.log"
        self._processes.append(start(command, log, at=self.root))

    def _wait_until_ready(self) -> None:
        """Return when the API server is ready.

        Raises:
            TimeoutError: It is not, after a minute; its log is beside its data.
        """
        trusting = ssl._create_unverified_context()  # noqa: S323  # our own server, on loopback
        request = urllib.request.Request(
            f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.tokens[ADMIN]}"}
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._processes[-1].poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(request, context=trusting, timeout=5).read()
                return
            time.sleep(0.1)
        msg = f"the API server was not ready; see {self.root}/kube-apiserver.log"
        raise TimeoutError(msg)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
