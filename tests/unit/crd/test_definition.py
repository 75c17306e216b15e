"""The definition as it is committed: what a server would refuse, as far as that shows offline."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steerlm_operator.api.run import RunSpec
from steerlm_operator.cli.crds import definition_text, editor_schema_text
from steerlm_operator.crd.cel import LIST_KEYS, MUTABLE, RULES
from steerlm_operator.crd.definition import MAX_BYTES, object_schema

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("crds/steerlmruns.yaml", definition_text()),
        ("charts/steerlm-operator/files/steerlmruns.yaml", definition_text()),
        ("crds/steerlmrun.schema.json", editor_schema_text()),
    ],
)
def test_the_committed_files_are_the_generated_ones(file: str, text: str):
    assert (ROOT / file).read_text(encoding="utf-8") == text, "run `make gen`"


def test_a_plain_apply_can_hold_it():
    assert len(definition_text().encode()) < MAX_BYTES


def test_every_string_list_and_map_of_the_spec_has_a_maximum():
    """CEL's cost is estimated from them; without one the server refuses the definition."""
    unbounded = [at for at, node in _nodes(object_schema()["properties"]["spec"]) if _is_open(node)]
    assert unbounded == []


def test_every_field_of_the_spec_says_whether_it_may_change():
    spec = object_schema()["properties"]["spec"]
    frozen = {
        name
        for name, field in spec["properties"].items()
        if any(r["rule"] == "self == oldSelf" for r in field.get("x-kubernetes-validations", ()))
    }
    nested = {"defaults", "stages"}
    assert frozen | MUTABLE.top | nested == {f.alias for f in RunSpec.model_fields.values()}
    assert not frozen & (MUTABLE.top | nested)


def test_rules_and_list_keys_stand_at_fields_that_exist():
    """`object_schema` raises KeyError for a path that is none."""
    schema = object_schema()
    assert RULES
    assert LIST_KEYS
    assert "x-kubernetes-validations" in schema


def test_the_server_keeps_the_stages_of_a_status_as_one_value():
    """ADR 15: the server would keep and merge the owner of each of their fields."""
    status = object_schema()["properties"]["status"]["properties"]
    assert "x-kubernetes-list-type" not in status["stages"]  # none says atomic
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_the_server_keeps_a_stages_settings_as_one_value():
    """ADR 16; and what an SRE may apply a part of by server-side apply it does not."""
    spec = object_schema()["properties"]["spec"]["properties"]
    kept_whole = [spec["defaults"], spec["bootstrap"], *spec["stages"]["properties"].values()]
    assert {node["x-kubernetes-map-type"] for node in kept_whole} == {"atomic"}
    assert not {name for name in spec if "x-kubernetes-map-type" in spec[name]} - {
        "defaults",
        "bootstrap",
    }


def _nodes(node: dict[str, Any], at: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    yield at, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{at}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _nodes(node[key], f"{at}[]")


def _is_open(node: dict[str, Any]) -> bool:
    match node.get("type"):
        case "string":
            return "maxLength" not in node and "enum" not in node
        case "array":
            return "maxItems" not in node
        case "object":
            return "additionalProperties" in node and "maxProperties" not in node
    return False
