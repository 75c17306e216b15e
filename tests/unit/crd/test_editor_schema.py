"""The schema for editors: it takes our examples, and marks what is wrong where it stands."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from steerlm_operator.crd.editor_schema import editor_schema
from tests.unit.crd.json_schema import complaints

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted([*ROOT.glob("crds/examples/*.yaml"), *ROOT.glob("examples/*.yaml")])


def example() -> dict[str, Any]:
    text = (ROOT / "crds/examples/quickstart.yaml").read_text(encoding="utf-8")
    run: dict[str, Any] = yaml.safe_load(text)
    return run


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_every_example_is_taken(file: Path):
    run = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert complaints(editor_schema(), run) == []


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("spec", "bootstrap", "iteration"), 1, ".spec.bootstrap.iteration: additionalProperties"),
        (("spec", "bootstrap", "iterations"), 17, ".spec.bootstrap.iterations: maximum"),
        (("spec", "seed"), "1", ".spec.seed: type"),
        (("spec", "shutdown"), "Now", ".spec.shutdown: enum"),
        (("spec", "data", "minLabels"), 0, ".spec.data.minLabels: minimum"),
        (("spec", "data", "labelled", 0, "name"), "A b", ".spec.data.labelled[0].name: pattern"),
        (("spec", "stages", "train"), {}, ".spec.stages.train: additionalProperties"),
        (("kind",), "SteerLmRun", ".kind: const"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_marked_where_it_stands(
    path: tuple[str | int, ...], value: object, complaint: str
):
    run: Any = copy.deepcopy(example())
    node = run
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    assert complaint in complaints(editor_schema(), run)


def test_what_must_be_there_is_missed():
    run = example()
    del run["spec"]["model"]
    assert complaints(editor_schema(), run) == [".spec: required"]
