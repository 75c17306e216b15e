"""What Helm itself makes of values: no cluster, but the program."""

import json
import subprocess
from typing import Any

import pytest
import yaml

from steerlm_operator.api.placement import Placement
from steerlm_operator.render.settings import A100_NODES, StagePodSettings
from tests.cluster.build import CannotBuildError, helm_program
from tests.cluster.cluster import ROOT

pytestmark = pytest.mark.cluster


def template(**stages: Any) -> subprocess.CompletedProcess[str]:
    """Return what `helm template` says to values of `stages`."""
    try:
        helm = str(helm_program())
    except CannotBuildError as error:
        pytest.skip(f"no Helm: {error}")
    return subprocess.run(
        [helm, "template", "steerlm", str(ROOT / "charts/steerlm-operator"), "-f", "-"],
        input=json.dumps({"stages": stages}),
        capture_output=True,
        text=True,
        check=False,
    )


def told(**stages: Any) -> StagePodSettings:
    """Return how the operator reads what the chart tells it."""
    done = template(**stages)
    assert done.returncode == 0, done.stderr
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    (deployment,) = (found for found in objects if found["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (text,) = (v["value"] for v in container["env"] if v["name"].endswith("_STAGE_PODS"))
    return StagePodSettings.model_validate_json(text)


def test_a_gpu_placement_takes_the_place_of_the_charts_and_is_never_merged() -> None:
    label = {"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"}
    assert told(gpuPlacement={"nodeSelector": label}).gpu_placement == Placement(
        node_selector=label
    )
    assert told(gpuPlacement={}).gpu_placement == Placement()
    assert told(gpuPlacement=None).gpu_placement == told().gpu_placement == A100_NODES


def test_no_egress_reaches_the_operator_as_none() -> None:
    assert told(egressCidrs=[]).egress_cidrs == ()


@pytest.mark.parametrize(
    ("stages", "place"),
    [
        ({"gpuPlacement": {"nodeSelectors": {"a": "b"}}}, "/stages/gpuPlacement"),
        ({"egressCidrs": ["minio.svc/24"]}, "/stages/egressCidrs/0"),
        ({"egressTo": [{}]}, "/stages/egressTo/0"),
    ],
)
def test_what_the_operator_would_not_start_with_is_refused(
    stages: dict[str, Any], place: str
) -> None:
    done = template(**stages)
    assert done.returncode != 0
    assert place in done.stderr
