"""What a cluster would refuse is refused before.

tests/unit/cli/test_lint.py takes each case of tests/cluster/test_api.py; here is the rest.
"""

import json
from typing import Any

import pytest

from steerlm_operator.api.loading import InvalidRunError, load_run
from steerlm_operator.crd.cel import LIST_KEYS
from steerlm_operator.crd.conformance import KEYWORDS, nonconformities
from steerlm_operator.crd.definition import object_schema
from steerlm_operator.crd.for_cluster import load_run_for_cluster
from tests.cluster.test_api import changed
from tests.quickstart import quickstart
from tests.unit.crd.documents import FILE, WRITTEN, written

ROOT = FILE.parents[2]


def refused(text: str, **overrides: object) -> list[str]:
    """Return the lines for a file, without its name and the numbers of lines."""
    with pytest.raises(InvalidRunError) as caught:
        load_run_for_cluster(text, file_name="f", overrides=overrides)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def example(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", WRITTEN)
def test_what_one_machine_takes_and_a_cluster_does_not_is_said_with_the_remedy(case: str):
    load_run(written(case), file_name="f")
    assert refused(written(case)) == [WRITTEN[case][2]]


@pytest.mark.parametrize("path", [path for path in LIST_KEYS if path.startswith("spec.")])
def test_a_key_that_may_not_repeat_in_a_list_does_not(path: str):
    key = LIST_KEYS[path]
    items = {
        "spec.attributes": {"name": "quality"},
        "spec.data.labelled": {"name": "a", "uri": "s3://data/x", "format": "Oasst"},
        "spec.data.unlabelled": {"name": "a", "uri": "s3://data/x"},
        "spec.data.labelled[].labels": {"from": "x", "to": "quality"},
        "spec.data.unlabelled[].labels": {"from": "x", "to": "quality"},
        "spec.stages.evaluate.gates": {"metric": "apm/quality/mae", "max": "1"},
        "spec.stages.evaluate.meters": {"name": "m", "attribute": "quality", "pattern": "x"},
    }
    item = items.get(path, {"name": "A", "value": "b"})
    run = changed(quickstart(), path.replace("[]", ".0"), [item, item])
    lines = refused(json.dumps(run))
    assert any(str(item[key]) in line and ("twice" in line or "too" in line) for line in lines)


@pytest.mark.parametrize(
    "file", ["crds/examples/quickstart.yaml", "crds/examples/a100-efa-kueue.yaml"]
)
def test_examples_for_a_cluster_are_taken(file: str):
    load_run_for_cluster(example(file), file_name=file)


def test_the_quickstart_of_one_machine_is_refused_for_where_its_data_and_results_lie():
    places = [line.partition(": ")[0] for line in refused(example("examples/quickstart.yaml"))]
    assert places == [
        "spec.storage.prefix",
        "spec.data.labelled[0].uri",
        "spec.data.labelled[1].uri",
        "spec.data.unlabelled[0].uri",
        "spec.data.evaluationPrompts.uri",
    ]


def test_a_wrong_type_hides_no_missing_prefix_and_is_said_once():
    text = written("no prefix").replace("epochs: 4", "epochs: four")
    lines = refused(text)
    assert [line.partition(": ")[0] for line in lines] == [
        "spec.storage.prefix",
        "spec.stages.trainAcsft.training.epochs",
    ]


def test_problems_stand_in_the_order_of_the_file_with_their_lines():
    text = written("a gate without quotes").replace("prefix: s3:", "prefix: gs:")
    with pytest.raises(InvalidRunError) as caught:
        load_run_for_cluster(text, file_name="f")
    lines = text.splitlines()
    places = [int(problem.place.removeprefix("f:")) for problem in caught.value.problems]
    assert ["gs:" in lines[places[0] - 1], "min: 0.8" in lines[places[1] - 1]] == [True, True]


def test_a_number_of_set_needs_no_quotes_for_the_shell_takes_them():
    changes = {
        "spec.data.validationFraction": 0.1,
        "spec.stages.trainApm.training.learningRate": 1e-05,
    }
    run = load_run_for_cluster(example(FILE.as_posix()), file_name="f", overrides=changes)
    assert str(run.spec.data.validation_fraction) == "0.1"


def test_set_may_give_what_the_file_lacks_and_is_named_where_it_is_wrong():
    nameless = written("a source without a name")
    named = {"spec.data.labelled[0].name": "oasst"}
    load_run_for_cluster(nameless, file_name="f", overrides=named)
    by_its_file = {"spec.data.labelled.oasst.uri": "here/x"}
    with pytest.raises(InvalidRunError) as caught:
        load_run_for_cluster(nameless, file_name="f", overrides=by_its_file)
    assert {problem.place for problem in caught.value.problems} == {
        "--set spec.data.labelled.oasst.uri",
        next(
            f"f:{number}"
            for number, line in enumerate(nameless.splitlines(), start=1)
            if "- uri:" in line
        ),
    }


def test_credentials_in_an_address_are_not_repeated():
    text = example(FILE.as_posix()).replace("uri: s3://data", "uri: s3://key:secret@data", 1)
    (line,) = refused(text)
    assert "secret" not in line


@pytest.mark.parametrize(
    "address",
    [
        "AKIAEXAMPLE:hunter2@bucket/path",
        "//bucket/p?X-Amz-Signature=hunter2",
        "//hunter2/p",
        "bucket/p?X-Amz-Signature=hunter2",
        "file:///srv/x?token=hunter2",
        "x?hunter2=://bucket",
        "x@hunter2",
    ],
)
@pytest.mark.parametrize(
    "old",
    [
        "uri: s3://data/quickstart/hh.jsonl.gz",
        "prefix: s3://runs/quickstart/",
        'baseModelUri: "scratch:tiny"',
        "- name: oasst\n      uri: s3://data/quickstart/oasst.trees.jsonl.gz",
    ],
)
def test_an_address_that_may_hold_a_secret_is_refused_and_not_repeated(address: str, old: str):
    text = example(FILE.as_posix())
    assert old in text
    key = "- uri" if old.startswith("-") else old.partition(":")[0]
    lines = refused(text.replace(old, f"{key}: '{address}'"))
    assert lines
    assert not [line for line in lines if "hunter2" in line]


def test_an_address_that_is_no_mapping_is_not_repeated():
    text = written("a source without a name").replace(
        "labelled:\n", "labelled:\n    - a:hunter2@b\n", 1
    )
    assert not [line for line in refused(text) if "hunter2" in line]


@pytest.mark.parametrize("value", ["31337", "31337.5", "!hunter2 x", "*hunter2", "&hunter2 {}"])
@pytest.mark.parametrize(
    "metadata", ["annotations: {token: VALUE}", "labels: {a: b}, annotations: {x: VALUE}"]
)
def test_what_stands_in_an_annotation_is_not_repeated(metadata: str, value: str):
    text = with_metadata(f"{{name: a, {metadata.replace('VALUE', value)}}}")
    assert not [line for line in refused(text) if "31337" in line or "hunter2" in line]


def with_metadata(metadata: str) -> str:
    text = example(FILE.as_posix())
    return text.replace("metadata: {name: quickstart}", f"metadata: {metadata}", 1)


def test_minutes_are_text_in_labels_annotations_and_the_environment():
    text = with_metadata(
        "{name: a, labels: {b: 2024-01-01}, annotations: {at: 12:30, on: 2024-01-01}}"
    )
    text = text.replace("annotate: {chunkRows: 512}", "annotate: {env: [{name: A, value: 12:30}]}")
    run = load_run_for_cluster(text, file_name="f")
    assert run.metadata.labels == {"b": "2024-01-01"}
    assert run.metadata.annotations == {"at": "12:30", "on": "2024-01-01"}
    assert [variable.value for variable in run.spec.stages.annotate.env] == ["12:30"]


def test_a_whole_number_may_be_written_as_kubectl_reads_it():
    text = example(FILE.as_posix()).replace("chunkRows: 512", "chunkRows: 0o1000, shards: 2e0")
    annotate = load_run_for_cluster(text, file_name="f").spec.stages.annotate
    assert (annotate.chunk_rows, annotate.shards) == (512, 2)


def test_an_object_that_was_got_from_a_cluster_is_taken():
    """What `kubectl get slr quickstart -o yaml --show-managed-fields` writes."""
    by_server = """{name: quickstart, namespace: ml, creationTimestamp: null, generation: 1,
      uid: 0c2e9ad5-9d1f-4b0c-8c5e-2a2c7b3f4d10, resourceVersion: "812", finalizers: [a.b/c],
      generateName: q-, selfLink: /x, deletionTimestamp: 2026-01-01T00:00:00Z,
      deletionGracePeriodSeconds: 0, ownerReferences: [{kind: CronJob, name: x}],
      managedFields: [{manager: kubectl, operation: Update, fieldsV1: {"f:spec": {}}}]}"""
    text = with_metadata(by_server) + "\nstatus: {phase: Running, stages: [{name: prepare}]}\n"
    run = load_run_for_cluster(text, file_name="f")
    assert (run.metadata.name, run.metadata.namespace) == ("quickstart", "ml")
    assert refused(text.replace("selfLink", "selfLinks"))[0].startswith("metadata.selfLinks: no su")


def test_a_name_may_be_drawn_by_the_server_and_is_required_else():
    run = load_run_for_cluster(with_metadata("{generateName: quick-}"), file_name="f")
    assert run.metadata.name == "quick-xxxxx"
    assert refused(with_metadata("{namespace: ml}")) == ["metadata.name: is required"]
    (line,) = refused(with_metadata(f"{{generateName: {'a' * 36}}}"))
    assert line.startswith(f"metadata.name: is '{'a' * 36}xxxxx'")


def test_a_document_that_is_none_is_said_once():
    assert refused("a: [") == [
        ": not YAML: expected the node content, but found '<stream end>'",
    ]
    (line,) = refused(example(FILE.as_posix()), spec=1)
    assert line.startswith(": a path starts at spec.")


def test_every_keyword_of_the_definition_is_checked():
    def keywords(node: dict[str, Any]) -> set[str]:
        below = [*node.get("properties", {}).values()]
        below += [node[key] for key in ("items", "additionalProperties") if key in node]
        return set(node).union(*map(keywords, below))

    assert keywords(object_schema()["properties"]["spec"]) <= KEYWORDS


@pytest.mark.parametrize(
    ("schema", "kept", "broken", "message"),
    [
        ({"type": "string", "enum": ["a"]}, "a", "b", "allowed: 'a' on a cluster"),
        ({"type": "string", "pattern": "^a$"}, "a", "a\n", "should match pattern '^a$' on a"),
        ({"type": "string", "minLength": 1}, "a", "", "has 0 characters; at least 1"),
        ({"type": "string", "maxLength": 1}, "\u00e9", "ab", "has 2 characters; at most 1"),
        ({"type": "integer", "minimum": 1}, 1, 0, "is 0; at least 1 on a cluster"),
        ({"type": "integer", "maximum": 1}, 1.0, 2, "is 2; at most 1 on a cluster"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2, 1, "is 1; above 1"),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": True}, 0, 1, "is 1; below 1"),
        ({"type": "integer"}, -1, True, "is true or false, and a cluster takes a whole number"),
        ({"type": "integer"}, 0, 0.5, "is the number 0.5, and a cluster takes a whole number"),
        ({"type": "boolean"}, False, 0, "is the number 0, and a cluster takes true or false"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, ["a"], [], "has 0 items"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 0}, [], ["a"], "has 1 items"),
        ({"type": "array", "items": {"type": "string"}}, [], [None], "is empty, and a cluster"),
        ({"type": "array", "items": {"type": "string"}}, [], {}, "is a mapping, and a cluster"),
        ({"type": "object", "required": ["a"]}, {"a": 1}, {"a": None}, "is required on a cluster"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1},
            {"a": None},
            {"a": "b", "c": "d"},
            "has 2 keys; at most 1 on a cluster",
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"a": "b"},
            {"a": []},
            "is a list, and a cluster takes text",
        ),
    ],
)
def test_a_keyword_keeps_and_refuses(schema: dict[str, Any], kept: Any, broken: Any, message: str):
    assert list(nonconformities(kept, schema)) == []
    ((_, said),) = nonconformities(broken, schema)
    assert said.startswith(message)
