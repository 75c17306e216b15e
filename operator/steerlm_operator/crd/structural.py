"""From a pydantic model's JSON schema to a structural schema that an API server takes.

Every keyword is either translated or refused: a new one in a model fails the generation instead of
a server. What the server refuses, and why, is in its documentation of structural schemas.
"""

from typing import Any, Final

Schema = dict[str, Any]  # Any: JSON

_KEPT: Final = frozenset(
    {
        "type",
        "description",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "maxProperties",
        "required",
        "default",
        "format",
    }
)
_DROPPED: Final = frozenset({"title"})
_BOUNDS: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
"""Bounds of a decimal, which is a string in JSON: a CEL rule says them."""


def structural(schema: Schema) -> Schema:
    """Return the structural form of a model's schema.

    Args:
        schema: What `model_json_schema(by_alias=True)` gives.

    Raises:
        ValueError: It holds a keyword that nobody has translated yet.
    """
    return _node(schema, schema.get("$defs", {}), "")


def _node(schema: Schema, definitions: dict[str, Schema], at: str) -> Schema:
    merged = _resolved(schema, definitions)
    found: Schema = {}
    bounds: list[str] = []
    for key, value in merged.items():
        if key in _KEPT:
            found[key] = value
        elif key in _DROPPED or key == "$defs":
            continue
        elif key in _BOUNDS:
            bounds.append(f"double(self) {_BOUNDS[key]} {float(value)}")
        else:
            _translate(found, key, value, definitions, at)
    if bounds:
        _bounded_decimal(found, bounds)
    return _without_null_defaults(found)


def _translate(
    found: Schema, key: str, value: Any, definitions: dict[str, Schema], at: str
) -> None:  # Any: JSON
    match key:
        case "exclusiveMinimum" | "exclusiveMaximum":
            found[key.replace("exclusiveM", "m")] = value
            found[key] = True
        case "const":
            found["enum"] = [value]
        case "properties":
            found[key] = {
                name: _node(child, definitions, f"{at}.{name}") for name, child in value.items()
            }
        case "items":
            found[key] = _node(value, definitions, f"{at}[]")
        case "additionalProperties" if value is False:
            pass  # the server prunes, and refuses unknown fields where asked to be strict
        case "propertyNames":
            longest = value["maxLength"]
            message = f"keys have at most {longest} characters"
            found["x-kubernetes-validations"] = [
                {"rule": f"self.all(key, key.size() <= {longest})", "message": message}
            ]
        case "additionalProperties":
            found[key] = _node(value, definitions, f"{at}{{}}")
        case _:
            msg = f"{at or 'the root'}: no translation of {key!r}"
            raise ValueError(msg)


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the schema with references put in place, and without `or null`."""
    found = dict(schema)
    if "anyOf" in found:
        arms = [arm for arm in found.pop("anyOf") if arm != {"type": "null"}]
        if len(arms) != 1:
            msg = f"a union of {len(arms)} types has no structural form"
            raise ValueError(msg)
        found = {**_resolved(arms[0], definitions), **found}
    if "$ref" in found:
        target = definitions[found.pop("$ref").removeprefix("#/$defs/")]
        found = {**_resolved(target, definitions), **found}
    return found


def _bounded_decimal(found: Schema, bounds: list[str]) -> None:
    rule = " && ".join(bounds)
    words = " and ".join(bound.removeprefix("double(self) ") for bound in bounds)
    found["x-kubernetes-validations"] = [{"rule": rule, "message": f"must be {words}"}]


def _without_null_defaults(schema: Schema) -> Schema:
    """Return the schema without defaults of null: the server prunes null to absent."""
    if "default" not in schema:
        return schema
    default = _pruned(schema["default"])
    rest = {key: value for key, value in schema.items() if key != "default"}
    return rest if default is None else {**rest, "default": default}


def _pruned(value: Any) -> Any:  # Any: JSON
    if isinstance(value, dict):
        return {key: _pruned(child) for key, child in value.items() if child is not None}
    return [_pruned(child) for child in value] if isinstance(value, list) else value
