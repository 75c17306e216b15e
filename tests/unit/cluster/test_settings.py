"""Settings as the chart hands them over."""

import json
from typing import Any

import pytest

from steerlm_operator.api.placement import Placement
from steerlm_operator.core.admission import Policy
from steerlm_operator.render.settings import A100_NODES, StagePodSettings
from steerlm_operator.settings import InvalidSettingsError, Settings


def test_the_policy_is_json_with_the_names_of_the_chart():
    text = '{"allowedImages": ["r/"], "activeRunsPerNamespace": 2, "maxNodes": 0}'
    settings = Settings.from_environment({"STEERLM_OPERATOR_POLICY": text, "HOME": "/"})
    assert settings.policy == Policy(allowed_images=("r/",), active_runs_per_namespace=2)


def test_a_rule_that_there_is_not_is_refused():
    with pytest.raises(InvalidSettingsError, match="STEERLM_OPERATOR_POLICY"):
        Settings.from_environment({"STEERLM_OPERATOR_POLICY": '{"allowedImage": ["r/"]}'})


def test_a_variable_that_is_no_json_is_named_in_one_line():
    with pytest.raises(InvalidSettingsError, match="STEERLM_OPERATOR_STAGE_PODS: is no JSON"):
        Settings.from_environment({"STEERLM_OPERATOR_STAGE_PODS": "{image: a"})


def stage_pods(**given: Any) -> StagePodSettings:
    text = json.dumps(given)
    return Settings.from_environment({"STEERLM_OPERATOR_STAGE_PODS": text}).stage_pods


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, A100_NODES),
        ({"gpuPlacement": None}, A100_NODES),
        ({"gpuPlacement": {}}, Placement()),
        ({"gpuPlacement": {"nodeSelector": {"a": "b"}}}, Placement(node_selector={"a": "b"})),
    ],
)
def test_a_gpu_placement_is_an_a100s_only_where_none_is_given(
    given: dict[str, Any], expected: Placement
):
    assert stage_pods(**given).gpu_placement == expected


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "10.1.2.3/16", "192.0.2.1/32", "::/0", "fd00::/8"])
def test_a_cidr_is_taken(cidr: str):
    assert stage_pods(egressCidrs=[cidr]).egress_cidrs == (cidr,)


@pytest.mark.parametrize(
    "cidr",
    ["minio.svc/24", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "256.0.0.0/8", "::1::/8", "fd00::/129"],
)
def test_what_is_no_cidr_is_refused(cidr: str):
    with pytest.raises(InvalidSettingsError, match="STAGE_PODS_EGRESSCIDRS_0"):
        stage_pods(egressCidrs=[cidr])


@pytest.mark.parametrize(
    "peer",
    [
        {},
        {"podSelectors": {}},
        {"podSelector": {"labels": {"a": "b"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["minio/8"]}},
    ],
)
def test_what_is_no_peer_is_refused(peer: dict[str, Any]):
    with pytest.raises(InvalidSettingsError, match="STAGE_PODS_EGRESSTO_0"):
        stage_pods(egressTo=[peer])
