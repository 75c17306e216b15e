"""How a pod reaches the store: the variables that S3 clients read, and the keys of Secrets."""

from typing import Any

import botocore.session
import pytest

from steerlm_jobs.process.credentials import FOLDER_VARIABLES
from steerlm_operator.api.placement import Resources
from steerlm_operator.render.names import RunIdentity
from steerlm_operator.render.pod import PodNeeds, pod_spec
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.runs import RUN_UID, a_run

RUN = RunIdentity("ml", "a", RUN_UID)


def a_pod(**spec: Any) -> dict[str, Any]:
    given = a_run(**spec).spec
    needs = PodNeeds("image", ("program",), Resources(), given.defaults.cpu_placement)
    found = pod_spec(RUN, given, needs, StagePodSettings())
    body: dict[str, Any] = found.model_dump(by_alias=True, exclude_none=True, mode="json")
    return body


def volumes(pod: dict[str, Any]) -> dict[str, Any]:
    return {v["name"]: v["projected"]["sources"] for v in pod["volumes"] if "projected" in v}


def test_an_endpoint_and_a_region_are_those_of_s3_and_leave_sts_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = {"endpointUrl": "http://minio.minio.svc:9000", "region": "eu-central-1"}
    (container,) = a_pod(storage={"s3": s3})["containers"]
    for variable in container["env"]:
        if variable["name"].startswith("AWS_"):
            monkeypatch.setenv(variable["name"], variable["value"])
    session = botocore.session.get_session()
    assert session.create_client("s3").meta.endpoint_url == s3["endpointUrl"]
    assert session.create_client("s3").meta.region_name == s3["region"]
    sts = session.create_client("sts").meta.endpoint_url
    assert sts == "https://sts.eu-central-1.amazonaws.com"


def test_without_an_endpoint_and_a_region_the_clients_find_their_own() -> None:
    (container,) = a_pod()["containers"]
    assert not [v["name"] for v in container["env"] if v["name"].startswith("AWS_")]


def test_of_a_secret_only_the_keys_that_the_programs_read_are_mounted() -> None:
    found = volumes(
        a_pod(
            storage={"credentials": {"mode": "Secret", "secretName": "store"}},
            model={"baseModelUri": "hf://a/b", "tokenSecretName": "hub"},
        )
    )
    keys = {
        name: tuple(item["key"] for source in sources for item in source["secret"]["items"])
        for name, sources in found.items()
    }
    assert keys == {
        "store-credentials": FOLDER_VARIABLES["STEERLM_CREDENTIALS_DIR"],
        "hub-token": FOLDER_VARIABLES["STEERLM_HUB_TOKEN_DIR"],
    }


def test_a_session_token_alone_may_be_missing() -> None:
    storage = {"credentials": {"mode": "Secret", "secretName": "store"}}
    required, optional = volumes(a_pod(storage=storage))["store-credentials"]
    assert "optional" not in required["secret"]
    token = {"key": "AWS_SESSION_TOKEN", "path": "AWS_SESSION_TOKEN"}
    assert optional["secret"] == {"name": "store", "items": [token], "optional": True}
