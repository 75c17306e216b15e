"""What the API server takes and refuses: the CRD's rules, one accepted and one refused each."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from steerlm_operator.api.run import SteerLMRun
from tests.cluster.cluster import Cluster
from tests.cluster.runs import ROOT
from tests.quickstart import quickstart

pytestmark = pytest.mark.cluster

MANY_SOURCES = [{"name": f"s{i}", "uri": "s3://data/x.jsonl"} for i in range(16)]
REFUSED = [
    ("spec.attributes.0.max", 0, "max must be above min"),
    ("spec.attributes.0.target", 9, "target must be within min..max"),
    ("spec.attributes.1.name", "quality", "Duplicate value"),
    ("spec.data.labelled.0.uri", "oasst.jsonl", "on a cluster, write s3://bucket/path"),
    ("spec.data.labelled.0.uri", "s3://key:secret@data/x.gz", "without credentials"),
    ("spec.data.labelled.1.format", "HhRlhf", "HhRlhf has no labels"),
    ("spec.data.unlabelled.0.name", "oasst", "names are unique among all sources"),
    ("spec.data.labelled.0.name", "model", "is no name for a source"),
    ("spec.data.labelled.0.labels", [{"to": "quality"}], "exactly one of from and fromMeter"),
    ("spec.data.validationFraction", "1.5", "must be >= 0.0 and < 1.0"),
    ("spec.data.validationFraction", "a lot", "spec.data.validationFraction"),
    ("spec.model.baseModelUri", "file:///models/x", "hf://owner/name or scratch:tiny"),
    ("spec.storage.prefix", "", "storage.prefix is required"),
    ("spec.storage.credentials", {"mode": "Secret"}, "mode Secret needs secretName"),
    ("spec.stages.trainApm.training.learningRate", "-1", "must be > 0.0"),
    ("spec.stages.trainApm.training.method", "Lorra", "Unsupported value"),
    ("spec.stages.evaluate.gates.0.metric", "humor", "write steerability/<attribute>"),
    ("spec.stages.evaluate.gates.0", {"metric": "apm/humor/mae"}, "exactly one of min and max"),
    ("spec.defaults", {"env": [{"name": "LD_PRELOAD", "value": "x"}]}, "is reserved"),
    ("spec.bootstrap.iterations", 17, "spec.bootstrap.iterations"),
    ("spec.bootstrap.filter", {"kind": "TopN", "topN": 9}, "filter.topN is above"),
    ("spec.attribute", [], 'unknown field "spec.attribute"'),
    ("spec.attributes.0.max", 4000, "at most 1000 levels from min on"),
    ("spec.data.unlabelled", MANY_SOURCES, "at most 16 sources"),
    ("spec.data.unlabelled.0.labels", [{"from": "x", "to": "quality"}], "unlabelled data has no"),
    ("spec.data.unlabelled.0.labels", [{"to": "quality"}], "exactly one of from and fromMeter"),
    ("spec.data.unlabelled.0.uri", "hh.jsonl", "on a cluster, write s3://bucket/path"),
    ("spec.data.unlabelled.0.name", "template", "is no name for a source"),
    ("spec.data.evaluationPrompts.uri", "prompts.jsonl", "on a cluster, write s3://bucket/path"),
    ("spec.storage.prefix", "runs/", "on a cluster, write s3://bucket/path"),
    ("spec.stages.trainApm.training.bestBy", "Quality", "Quality is for trainAcsft"),
    ("spec.stages.evaluate.env", [{"name": "RANK", "value": "x"}], "is reserved"),
    ("spec.stages.evaluate.resources.extended", {"nvidia.com/gpu": 8}, "GPUs, cpu and memory have"),
    ("spec.stages.evaluate.resources.extended", {"cpu": 8}, "write domain/name"),
    ("spec.stages.evaluate.resources.extended", {"a/b": 0}, "greater than or equal to 1"),
    ("spec.serve.resources.extended", {"efa": 1}, "write domain/name"),
    ("spec.retry.fromStage", "trainApm", "write the id of a stage as status.stages has it"),
    ("spec.serve.engine", "Vllm", "Vllm is not supported yet"),
    ("spec.serve.nemoGenerate", True, "true is not supported yet"),
    ("metadata.name", "A" * 3, "metadata.name"),
    ("metadata.name", "a" * 41, "at most 40"),
]

FROZEN = [
    ("spec.seed", 7, "seed cannot change after creation"),
    ("spec.model.baseModelUri", "hf://a/b", "model cannot change after creation"),
    ("spec.bootstrap.iterations", 2, "bootstrap cannot change after creation"),
    ("spec.data.minLabels", 7, "data cannot change after creation"),
    ("spec.stages.annotate.chunkRows", 7, "chunkRows cannot change after creation"),
    ("spec.stages.trainApm.image", "x", "image cannot change after creation"),
    ("spec.stages.trainApm.cache", "Disabled", "cache cannot change after creation"),
    ("spec.defaults.image", "x", "image cannot change after creation"),
    ("spec.managedBy", "x", "cannot change after creation"),
    ("spec.attributes.0.target", 3, "attributes cannot change after creation"),
    ("spec.storage.prefix", "s3://runs/other/", "storage cannot change after creation"),
    ("spec.stages.trainApm.training.epochs", 7, "training cannot change after creation"),
    ("spec.stages.sample.env", [{"name": "A", "value": "b"}], "env cannot change after creation"),
    ("spec.retry.count", -1, "spec.retry.count"),
]

MUTABLE = [
    ("spec.suspend", True),
    ("spec.shutdown", "Stop"),
    ("spec.retry.count", 1),
    ("spec.retry.fromStage", "sample-1"),
    ("spec.retry.fromStage", "train-judge"),
    ("spec.activeDeadlineSeconds", 10),
    ("spec.ttlSecondsAfterFinished", 10),
    ("spec.queue.localQueue", "a100"),
    ("spec.stages.trainApm.nodes", 2),
    ("spec.stages.annotate.shards", 2),
    ("spec.stages.trainApm.resources.gpus", 2),
    ("spec.stages.trainApm.resources.extended", {"a.b/c": 1, "hugepages-2Mi": 4194304}),
    ("spec.stages.trainApm.placement", {"nodeSelector": {"a": "b"}}),
    ("spec.stages.trainApm.retry", {"limit": 5}),
    ("spec.stages.trainApm.stallTimeoutSeconds", 5),
    ("spec.stages.trainApm.podsReadyTimeoutSeconds", 5),
    ("spec.stages.trainApm.queue", {"localQueue": "a100"}),
    ("spec.serve.enabled", True),
    ("spec.serve.engine", "Transformers"),
    ("spec.serve.nemoGenerate", False),
    ("spec.defaults.retry.limit", 5),
    ("spec.defaults.stallTimeoutSeconds", 5),
    ("spec.defaults.podsReadyTimeoutSeconds", 5),
    ("spec.defaults.gpuPlacement", {"nodeSelector": {"a": "b"}}),
    ("spec.defaults.cpuPlacement", {"nodeSelector": {"a": "b"}}),
]
TAKEN_BACK = [
    ("spec.shutdown", "Terminate", "None", "Terminate cannot be taken back"),
    ("spec.retry.count", 2, 1, "never falls"),
]


def changed(run: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a run with one field changed; parts of the path that are not there are made."""
    new = copy.deepcopy(run)
    node: Any = new
    *parents, last = path.split(".")
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return new


def dry_run(cluster: Cluster, namespace: str, run: dict[str, Any]) -> str:
    """Return what kubectl says of an apply that changes nothing."""
    given = json.dumps(run)
    arguments = ("apply", "-n", namespace, "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl(*arguments, given=given, check=False)


@pytest.fixture(scope="module")
def untouched(cluster: Cluster) -> str:
    """A namespace in which nothing is ever created."""
    cluster.kubectl("create", "namespace", "untouched")
    return "untouched"


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_cel_can_say_is_refused_at_apply(
    cluster: Cluster, untouched: str, path: str, value: Any, message: str
) -> None:
    said = dry_run(cluster, untouched, changed(quickstart(), path, value))
    assert message in said


@pytest.fixture(scope="module")
def frozen_run(cluster: Cluster) -> str:
    """A namespace with a run that nobody reconciles."""
    cluster.kubectl("create", "namespace", "frozen")
    run = quickstart()
    run["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    cluster.apply("frozen", run)
    return "frozen"


@pytest.mark.parametrize(("path", "value", "message"), FROZEN, ids=[f[0] for f in FROZEN])
def test_what_decides_the_result_cannot_change(
    cluster: Cluster, frozen_run: str, path: str, value: Any, message: str
) -> None:
    assert message in dry_run(cluster, frozen_run, changed(quickstart(), path, value))


@pytest.mark.parametrize(("path", "value"), MUTABLE, ids=[m[0] for m in MUTABLE])
def test_what_decides_where_and_when_may_change(
    cluster: Cluster, frozen_run: str, path: str, value: Any
) -> None:
    said = dry_run(cluster, frozen_run, changed(quickstart(), path, value))
    assert "steerlmrun.steerlm.dev/quickstart configured" in said


@pytest.mark.parametrize(("path", "first", "second", "message"), TAKEN_BACK)
def test_what_goes_one_way_cannot_be_taken_back(
    cluster: Cluster, namespace: str, path: str, first: Any, second: Any, message: str
) -> None:
    run = changed(quickstart(), path, first)
    run["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    cluster.apply(namespace, run)
    assert message in dry_run(cluster, namespace, changed(run, path, second))


def test_who_applies_a_part_owns_it_and_a_stages_settings_have_one_owner(
    cluster: Cluster, namespace: str
) -> None:
    """ADR 16."""
    run = quickstart()
    run["metadata"]["annotations"] = {"steerlm.dev/reconcile": "disabled"}
    applied_by(cluster, namespace, "team", run)
    part = {name: run[name] for name in ("apiVersion", "kind")}
    part["metadata"] = {"name": run["metadata"]["name"]}
    applied_by(cluster, namespace, "sre", {**part, "spec": {"suspend": True}})
    placed = {"trainApm": {"podsReadyTimeoutSeconds": 60}}
    said = applied_by(cluster, namespace, "sre", {**part, "spec": {"stages": placed}})
    assert 'conflict with "team"' in said
    assert ".spec.stages.trainApm" in said
    found = cluster.get("slr", run["metadata"]["name"], "-n", namespace)["spec"]
    assert found["suspend"] is True
    assert (
        found["stages"]["trainApm"]["training"]["epochs"]
        == (run["spec"]["stages"]["trainApm"]["training"]["epochs"])
    )


def applied_by(cluster: Cluster, namespace: str, manager: str, document: dict[str, Any]) -> str:
    """Apply a part of an object server-side; return what kubectl says."""
    arguments = ("apply", "-n", namespace, "--server-side", f"--field-manager={manager}", "-f", "-")
    return cluster.kubectl(*arguments, given=json.dumps(document), check=False)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "crds/examples").glob("*.yaml")), ids=lambda f: f.name
)
def test_examples_apply_without_a_warning(cluster: Cluster, untouched: str, file: Path) -> None:
    arguments = ("apply", "-n", untouched, "--dry-run=server", "--validate=strict", "-f", str(file))
    said = cluster.kubectl(*arguments, check=False)
    assert said.strip().endswith("created (server dry run)")
    assert "Warning" not in said


def test_the_servers_defaults_are_the_models(cluster: Cluster, frozen_run: str) -> None:
    stored = cluster.get("steerlmrun/quickstart", "-n", frozen_run)
    given = yaml.safe_load((ROOT / "crds/examples/quickstart.yaml").read_text(encoding="utf-8"))
    ours, theirs = _dumped(given), _dumped({**given, "spec": stored["spec"]})
    assert theirs == ours
    assert set(_paths(stored["spec"])) == set(_paths(ours))


def _dumped(document: dict[str, Any]) -> dict[str, Any]:
    run = SteerLMRun.model_validate_json(json.dumps(document))
    found: dict[str, Any] = run.spec.model_dump(by_alias=True, mode="json", exclude_none=True)
    return found


def _paths(node: Any, at: str = "") -> Iterator[str]:
    """Yield the path of each value; decimals may be spelt in more than one way."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _paths(child, f"{at}.{name}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _paths(child, f"{at}[{index}]")
    else:
        yield at


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("steerlmruns.spec.bootstrap.iterations", "How many; 0: none."),
        ("slr.spec.stages.trainApm.training", "Longest of these answers"),
        ("slr.spec.stages.trainApm.training", "Course of the learning rate."),
        ("slr.status.stages.disruptions", "Disruptions since the last one that found a newer"),
    ],
)
def test_explain_shows_what_a_field_means(cluster: Cluster, path: str, meaning: str) -> None:
    assert meaning in cluster.kubectl("explain", path)


def test_short_name_and_category_find_runs(cluster: Cluster, frozen_run: str) -> None:
    for name in ("slr", "steerlm"):
        assert "quickstart" in cluster.kubectl("get", name, "-n", frozen_run)
