"""The CustomResourceDefinition of `SteerLMRun`, whole."""

from collections.abc import Iterator
from typing import Any, Final

from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import RunStatus
from steerlm_operator.crd.cel import LIST_KEYS, MUTABLE, RULES, Rule
from steerlm_operator.crd.structural import Schema, structural

MAX_BYTES: Final = 262_144
"""A plain `kubectl apply` keeps the whole object in an annotation of at most this size."""
COLUMNS: Final = (
    ("Phase", "string", ".status.phase", 0),
    ("Stage", "string", ".status.currentStage", 0),
    ("Progress", "string", ".status.progress", 0),
    ("Retries", "integer", ".status.retries", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Progressing")].reason', 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("GPU-s", "number", ".status.gpuSeconds", 1),
    ("Queue", "string", ".spec.queue.localQueue", 1),
    ("Stage-Progress", "string", ".status.stageProgress", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Progressing")].message', 1),
)
"""Of `kubectl get`: name, type, path, and 1 for those that only `-o wide` shows."""


def definition() -> dict[str, Any]:  # Any: JSON
    """Return the object that `kubectl apply` takes."""
    names = {
        "plural": "steerlmruns",
        "singular": "steerlmrun",
        "kind": "SteerLMRun",
        "listKind": "SteerLMRunList",
        "shortNames": ["slr"],
        "categories": ["steerlm"],
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            for name, kind, path, priority in COLUMNS
        ],
        "schema": {"openAPIV3Schema": object_schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "steerlmruns.steerlm.dev"},
        "spec": {
            "group": "steerlm.dev",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


def object_schema() -> Schema:
    """Return the structural schema of the whole object, with its CEL rules."""
    schema = structural(SteerLMRun.model_json_schema(by_alias=True))
    properties = schema["properties"]
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"type": "object"}
    properties["status"] = status_schema()
    schema["required"] = ["spec"]
    _frozen(properties["spec"])
    for path, rules in RULES.items():
        _add(_at(schema, path), *rules)
    for path, key in LIST_KEYS.items():
        node = _at(schema, path)
        node["x-kubernetes-list-type"] = "map"
        node["x-kubernetes-list-map-keys"] = [key]
    for node in _of_one_owner(properties["spec"]):
        node["x-kubernetes-map-type"] = "atomic"
    _bound_strings(properties["spec"])
    return schema


def _of_one_owner(spec: Schema) -> Iterator[Schema]:
    """Yield the objects that are one value to the server: it keeps who set each other field.

    ADR 16: they have most of the fields, and each write of a status merges all of them.
    """
    yield from (spec["properties"][name] for name in ("defaults", "bootstrap"))
    yield from spec["properties"]["stages"]["properties"].values()


def status_schema() -> Schema:
    """Return the schema of `status`: the operator writes it whole, so it has no defaults."""
    schema = structural(RunStatus.model_json_schema(by_alias=True, mode="serialization"))
    for node in _nodes(schema):
        node.pop("default", None)
        required = node.get("required")
        if required:
            node["required"] = [name for name in required if name in _KEYS]
            if not node["required"]:
                del node["required"]
    return schema


_MAX_LENGTH: Final = 253
_KEYS: Final = frozenset({"name", "type", "status", "reason"})


def _frozen(spec: Schema) -> None:
    """Say of every field of the spec that may not change that it may not."""
    _freeze_fields(spec, MUTABLE.top | {"managedBy", "defaults", "stages"})
    _freeze_fields(spec["properties"]["defaults"], MUTABLE.defaults)
    for stage in spec["properties"]["stages"]["properties"].values():
        _freeze_fields(stage, MUTABLE.stage)


def _freeze_fields(node: Schema, mutable: frozenset[str]) -> None:
    for name, field in node["properties"].items():
        if name in mutable:
            continue
        message = f"{name} cannot change after creation; create another run"
        if name in node.get("required", ()) or "default" in field:
            _add(field, ("self == oldSelf", message))
        else:  # may be absent: only its parent sees it come and go
            same = f"has(self.{name}) == has(oldSelf.{name})"
            _add(node, (f"{same} && (!has(self.{name}) || self.{name} == oldSelf.{name})", message))


def _add(node: Schema, *rules: Rule) -> None:
    validations = node.setdefault("x-kubernetes-validations", [])
    validations += [{"rule": rule, "message": message} for rule, message in rules]


def _at(schema: Schema, path: str) -> Schema:
    node = schema
    for part in path.split(".") if path else ():
        node = node["properties"][part.removesuffix("[]")]
        if part.endswith("[]"):
            node = node["items"]
    return node


def _bound_strings(spec: Schema) -> None:
    """Give strings a maximum that have none: the cost of a CEL rule is judged by it."""
    for node in _nodes(spec):
        if node.get("type") == "string" and "enum" not in node:
            node.setdefault("maxLength", _MAX_LENGTH)


def _nodes(schema: Schema) -> Iterator[Schema]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from _nodes(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key])
