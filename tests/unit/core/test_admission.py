"""What the policy of an installation allows, and how a breach is told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from steerlm_operator.api.run import RetrySpec
from steerlm_operator.api.status import ResolvedSettings, RunStatus
from steerlm_operator.core.admission import (
    Policy,
    breach,
    breach_of_server,
    is_active,
    needs_admission,
    too_many,
)
from tests.scenario.runs import a_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(
    allowed_images=("registry.example/ml/",), priority_classes=("low", "mid"), max_nodes=4
)
IMAGES = "is not in policy.allowedImages: registry.example/ml/"
PRIORITIES = "is not in policy.priorityClasses: low, mid"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, ""),
        (
            {
                "defaults": {
                    "image": "registry.example/ml/jobs:2",
                    "cpuPlacement": {"priorityClassName": "low"},
                },
                "queue": {"localQueue": "a", "priorityClass": "mid"},
                "stages": {"trainApm": {"nodes": 4}, "sample": {"shards": 4}},
            },
            "",
        ),
        ({"defaults": {"image": "evil:1"}}, f"spec.defaults.image: evil:1 {IMAGES}"),
        (
            {"stages": {"sample": {"image": "registry.example/m"}}},
            f"spec.stages.sample.image: registry.example/m {IMAGES}",
        ),
        (
            {"defaults": {"gpuPlacement": {"priorityClassName": "high"}}},
            f"spec.defaults.gpuPlacement.priorityClassName: high {PRIORITIES}",
        ),
        (
            {"stages": {"evaluate": {"placement": {"priorityClassName": "high"}}}},
            f"spec.stages.evaluate.placement.priorityClassName: high {PRIORITIES}",
        ),
        (
            {"queue": {"localQueue": "a", "priorityClass": "high"}},
            f"spec.queue.priorityClass: high {PRIORITIES}",
        ),
        (
            {"stages": {"annotate": {"queue": {"localQueue": "a", "priorityClass": "high"}}}},
            f"spec.stages.annotate.queue.priorityClass: high {PRIORITIES}",
        ),
        (
            {"stages": {"trainAcsft": {"nodes": 5}}},
            "spec.stages.trainAcsft.nodes: 5 is above policy.maxNodes, 4",
        ),
        (
            {"stages": {"annotate": {"shards": 8}}},
            "spec.stages.annotate.shards: 8 is above policy.maxNodes, 4",
        ),
        (
            {"serve": {"enabled": True, "replicas": 5}},
            "spec.serve.replicas: 5 is above policy.maxNodes, 4",
        ),
        ({"serve": {"enabled": True, "replicas": 4}}, ""),
        ({"serve": {"replicas": 5}}, ""),
        ({"serve": {"enabled": True, "replicas": 5, "autoscaled": True}}, ""),
    ],
)
def test_a_breach_names_field_value_and_policy(spec: dict[str, Any], told: str):
    assert breach(a_run(**spec).spec, POLICY) == told
    assert breach(a_run(**spec).spec, Policy()) == ""


def test_a_namespace_has_room_for_as_many_active_runs_as_the_policy_says():
    policy = Policy(active_runs_per_namespace=2)
    assert too_many(1, policy) == ""
    assert too_many(2, policy) == (
        "waits for one of the 2 active runs of its namespace to end: "
        "policy.activeRunsPerNamespace is 2"
    )
    assert too_many(1000, Policy()) == ""


def test_a_run_is_active_from_its_acceptance_to_its_end():
    accepted = RunStatus(resolved=ResolvedSettings())
    assert is_active(accepted)
    assert not is_active(None)
    assert not is_active(RunStatus())
    assert not is_active(accepted.model_copy(update={"completion_time": NOW}))


def test_a_run_that_has_ended_needs_no_admission_until_it_is_to_be_tried_again():
    ended, spec = RunStatus(completion_time=NOW, observed_retry_count=1), a_run().spec
    counts = (spec.model_copy(update={"retry": RetrySpec(count=count)}) for count in (1, 2))
    assert [needs_admission(s, ended) for s in counts] == [False, True]
    assert needs_admission(spec, None)


HIGH: dict[str, Any] = {"priorityClassName": "high"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"stages": {"trainAcsft": {"nodes": 5, "image": "evil:1", "placement": HIGH}}}, ""),
        ({"defaults": {"gpuPlacement": HIGH}}, ""),
        (
            {"defaults": {"cpuPlacement": HIGH}},
            f"spec.defaults.cpuPlacement.priorityClassName: high {PRIORITIES}",
        ),
        (
            {
                "serve": {"enabled": True, "resources": {"gpus": 1}},
                "defaults": {"gpuPlacement": HIGH},
            },
            f"spec.defaults.gpuPlacement.priorityClassName: high {PRIORITIES}",
        ),
        (
            {
                "serve": {"enabled": True, "resources": {"gpus": 1}},
                "defaults": {"cpuPlacement": HIGH},
            },
            "",
        ),
        ({"defaults": {"image": "evil:1"}}, f"spec.defaults.image: evil:1 {IMAGES}"),
        (
            {"serve": {"enabled": True, "replicas": 5}},
            "spec.serve.replicas: 5 is above policy.maxNodes, 4",
        ),
    ],
)
def test_of_a_server_only_what_it_has_can_be_against_the_policy(spec: dict[str, Any], told: str):
    assert breach_of_server(a_run(**spec).spec, POLICY) == told
