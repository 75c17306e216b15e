"""The quickstart with its real stage programs: in pods, over S3, two nodes of two ranks each."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.runs import ROOT
from tests.quickstart import STAGES, quickstart

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def small(run: dict[str, Any]) -> dict[str, Any]:
    """Return the quickstart cut to a few steps: what is learnt does not matter here."""
    stages = run["spec"]["stages"]
    for stage in ("trainApm", "trainAcsft"):
        stages[stage]["training"] |= {"maxTokens": 6000, "epochs": 1}
    stages["evaluate"] |= {"promptsPerLevel": 2, "maxNewTokens": 24, "gates": []}
    run["spec"]["bootstrap"] |= {"maxPrompts": 8, "maxNewTokens": 24, "dropUnfinished": False}
    return run


def fingerprints(status: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["fingerprint"] for stage in status["stages"]}


def test_pods_make_the_results_that_one_machine_makes(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    run = small(quickstart())
    for stage in ("trainApm", "trainAcsft"):
        run["spec"]["stages"][stage] |= {"nodes": 2, "resources": {"gpus": 2}}
    cluster.apply(namespace, run)
    ended = cluster.wait_for(namespace, "quickstart", "Succeeded", seconds=900)
    local = small(yaml.safe_load((ROOT / "examples/quickstart.yaml").read_text(encoding="utf-8")))
    for source in (*local["spec"]["data"]["labelled"], *local["spec"]["data"]["unlabelled"]):
        source["uri"] = str(ROOT / "examples" / source["uri"])
    prompts = local["spec"]["data"]["evaluationPrompts"]
    prompts["uri"] = str(ROOT / "examples" / prompts["uri"])
    file = tmp_path / "local.yaml"
    file.write_text(yaml.safe_dump(local), encoding="utf-8")
    command = [sys.executable, "-m", "steerlm_operator.cli.main", "run", str(file)]
    subprocess.run(
        [*command, "--workdir", str(tmp_path / "run")], check=True, capture_output=True, timeout=600
    )
    here = json.loads((tmp_path / "run/.steerlm/status.json").read_text(encoding="utf-8"))
    assert fingerprints(ended["status"]) == fingerprints(here)
    assert [stage["state"] for stage in ended["status"]["stages"]] == ["Succeeded"] * len(STAGES)
    trained = cluster.get("pods", "-n", namespace, "-l", "steerlm.dev/stage=train-apm")["items"]
    assert {pod["spec"]["nodeName"] for pod in trained} <= {"gpu-0", "gpu-1"}
    assert len(trained) == 2


def test_the_model_of_a_run_answers_chat_completions_as_attributes_ask(
    cluster: Cluster, namespace: str
) -> None:
    run = small(quickstart())
    run["spec"]["serve"] = {"enabled": True, "resources": {"gpus": 1}}
    cluster.apply(namespace, run)
    cluster.wait_for(namespace, "quickstart", "Succeeded", seconds=900)
    status = cluster.wait_for(namespace, "quickstart", "Serving", seconds=180)["status"]
    serving = status["serving"]
    final = next(s for s in status["stages"] if s["name"] == "train-acsft-1")
    assert (serving["readyReplicas"], serving["modelDigest"]) == (1, final["artifact"]["digest"])
    name = serving["url"].removeprefix("http://").split(".")[0]
    service = cluster.get("service", name, "-n", namespace)
    selector = ",".join(f"{k}={v}" for k, v in service["spec"]["selector"].items())
    (pod,) = cluster.get("pods", "-n", namespace, "-l", selector)["items"]
    assert pod["spec"]["nodeName"].startswith("gpu-")
    answer = chat(pod["status"]["podIP"], attributes={"humor": 4}, max_tokens=20)
    assert answer["model"] == "quickstart"
    assert answer["attributes"] == {"quality": 4, "humor": 4, "helpfulness": 4, "verbosity": 2}
    assert 0 < answer["usage"]["completion_tokens"] <= 20


def chat(address: str, **body: Any) -> dict[str, Any]:
    """Ask the server behind a pod's address: no proxy here makes Services work."""
    message = {"role": "user", "content": "What is the color of the fox?"}
    data = json.dumps({"messages": [message], **body}).encode()
    with urllib.request.urlopen(f"http://{address}:8080/v1/chat/completions", data) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
