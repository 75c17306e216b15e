"""What `steerlm render` prints is taken by a server in a namespace that enforces `restricted`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.build import helm_program
from tests.cluster.cluster import ROOT, Cluster

pytestmark = pytest.mark.cluster
EXAMPLES = sorted((ROOT / "crds/examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> str:
    """A namespace that refuses, and warns of, all that Pod Security calls not restricted."""
    name = "restricted"
    cluster.kubectl("create", "namespace", name)
    modes = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    cluster.kubectl("label", "namespace", name, *modes)
    return name


def rendered(file: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "steerlm_operator.cli.main", "render", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return list(yaml.safe_load_all(done.stdout))


def dry_run(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> str:
    for found in objects:
        found["metadata"].pop("namespace", None)
    given = yaml.safe_dump_all(objects)
    arguments = ("create", "-n", namespace, "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl(*arguments, given=given, check=False)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_all_that_a_run_creates_is_taken_without_a_warning(
    cluster: Cluster, restricted: str, file: Path
) -> None:
    objects = rendered(file)
    said = dry_run(cluster, restricted, *objects).splitlines()
    assert all(line.endswith("created (server dry run)") for line in said), said
    assert len(said) == len(objects)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_pods_of_every_stage_pass_where_restricted_is_enforced(
    cluster: Cluster, restricted: str, file: Path
) -> None:
    """A Job is only warned of; its pods would be refused later, when nobody looks."""
    jobs = [found for found in rendered(file) if found["kind"] == "Job"]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": job["metadata"]["name"]},
            "spec": job["spec"]["template"]["spec"],
        }
        for job in jobs
    ]
    said = dry_run(cluster, restricted, *pods).splitlines()
    assert [line.endswith("created (server dry run)") for line in said] == [True] * len(pods), said


def test_a_pod_that_gives_nothing_up_is_refused(cluster: Cluster, restricted: str) -> None:
    """Else the two above prove nothing."""
    container = {"name": "c", "image": "i"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    said = dry_run(cluster, restricted, {**pod, "spec": {"containers": [container]}})
    assert 'violates PodSecurity "restricted' in said


@pytest.mark.parametrize(
    "file", sorted((ROOT / "charts/steerlm-operator/examples").glob("*.yaml")), ids=lambda f: f.name
)
def test_examples_of_values_render_and_are_taken(cluster: Cluster, file: Path) -> None:
    chart = str(ROOT / "charts/steerlm-operator")
    command = [str(helm_program()), "template", "steerlm", chart, "-n", "default", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    deployment = next(found for found in objects if found["kind"] == "Deployment")
    said = dry_run(cluster, "default", deployment)
    assert "created (server dry run)" in said
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    stage_pods = next(v for v in container["env"] if v["name"] == "STEERLM_OPERATOR_STAGE_PODS")
    assert yaml.safe_load(stage_pods["value"])["image"] == values["stages"]["image"]
