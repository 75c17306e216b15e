"""The objects of a model server, as the API server takes them."""

import json
from pathlib import Path

import pytest

from steerlm_operator.core.serving import ServedModel
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.server import server_deployment, server_policy, server_service
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.runs import RUN_UID, a_run

GOLDEN = Path(__file__).parents[2] / "golden/render"
RUN = RunIdentity("ml", "a", RUN_UID)
MODEL = ServedModel("s3://runs/a/train-acsft/f", "f", "d")
HASH = "steerlm.dev/rendered-hash"
CREDENTIALS = {"credentials": {"mode": "Secret", "secretName": "s3-credentials"}}


def deployment(model=MODEL, storage=None, **serve):
    spec = a_run(serve={"enabled": True, **serve}, storage=storage or {}).spec
    return server_deployment(RUN, spec, model, StagePodSettings())


def pod(found):
    return found["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("server-deployment", deployment(storage=CREDENTIALS, resources={"gpus": 1})),
        ("server-service", server_service(RUN)),
        ("server-policy", server_policy(RUN)),
    ],
)
def test_what_is_sent_is_what_was_reviewed(name, body):
    assert body == json.loads((GOLDEN / f"{name}.json").read_text())


def test_the_hash_differs_exactly_where_something_else_does():
    def hash_of(found):
        return found["metadata"]["annotations"][HASH]

    assert hash_of(deployment()) == hash_of(deployment())
    others = [
        deployment(replicas=2),
        deployment(ServedModel("s3://other", "g", "e")),
        deployment(rollout="Surge"),
    ]
    assert len({hash_of(found) for found in (deployment(), *others)}) == 4


def test_a_new_model_is_a_new_pod_template_under_the_same_selector():
    old, new = deployment(), deployment(ServedModel("s3://other", "g", "e"))
    assert old["spec"]["template"] != new["spec"]["template"]
    assert old["spec"]["selector"] == new["spec"]["selector"]
    assert old["metadata"]["name"] == new["metadata"]["name"]


def test_replicas_are_left_to_an_autoscaler_that_was_announced():
    assert deployment(replicas=0)["spec"]["replicas"] == 0
    assert "replicas" not in deployment(autoscaled=True)["spec"]


@pytest.mark.parametrize(("rollout", "surge"), [("Replace", 0), ("Surge", 1)])
def test_replace_ends_the_old_pod_before_it_starts_the_new_one(rollout, surge):
    update = deployment(rollout=rollout)["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxSurge": surge, "maxUnavailable": 1 - surge}


def test_a_server_without_gpus_may_go_anywhere():
    assert "nodeSelector" not in pod(deployment())
    assert pod(deployment(resources={"gpus": 1}))["nodeSelector"]


def test_only_its_port_is_open_and_to_everybody():
    (rule,) = server_policy(RUN)["spec"]["ingress"]
    assert rule == {"ports": [{"port": 8080, "protocol": "TCP"}]}
