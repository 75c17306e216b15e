"""All fields of spec and status, by path: for tables and tests. Pure."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steerlm_operator.api.run import RunSpec


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field: `data.labelled[].uri` say, below `spec`."""

    path: str
    annotation: Any  # Any: a type form
    field: FieldInfo

    @property
    def is_group(self) -> bool:
        """True: it is an object that has fields itself."""
        return isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel)

    @property
    def type_name(self) -> str:
        """Its type as people say it."""
        return type_name(self.annotation)

    @property
    def default(self) -> str:
        """Its default as it stands in YAML."""
        if self.field.is_required():
            return "required"
        value = self.field.get_default(call_default_factory=True, validated_data={})
        if value is None:
            return "absent"
        if isinstance(value, Enum):
            return str(value.value)
        if isinstance(value, tuple | dict):
            return "[]" if isinstance(value, tuple) else "{}"
        return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def spec_leaves() -> Iterator[Leaf]:
    """Yield the fields of the spec that hold a value of their own, in its order."""
    return (field for field in model_fields(RunSpec) if not field.is_group)


def model_fields(model: type[BaseModel], prefix: str = "") -> Iterator[Leaf]:
    """Yield the fields of a model in its order, each before those below it; [] marks a list."""
    for name, field in model.model_fields.items():
        inner, is_list = _inner(field.annotation)
        path = f"{prefix}{field.alias or name}{'[]' if is_list else ''}"
        yield (found := Leaf(path, inner, field))
        if found.is_group:
            yield from model_fields(inner, f"{path}.")


def type_name(annotation: Any) -> str:  # Any: a type form
    """Return the name of a type, or the values of an enum."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(str(member.value) for member in annotation)
    if get_origin(annotation) is dict:
        return f"map of {type_name(get_args(annotation)[1])}"
    names = {
        "str": "string",
        "int": "integer",
        "bool": "boolean",
        "Decimal": "decimal",
        "float": "number",
        "datetime": "time",
    }
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)


def _inner(annotation: Any) -> tuple[Any, bool]:  # Any: a type form
    """Return (type, is list) of an annotation without None, list and Annotated."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        (only,) = [a for a in get_args(annotation) if a is not type(None)]
        return _inner(only)
    if origin is tuple:
        return _inner(get_args(annotation)[0])[0], True
    if hasattr(annotation, "__metadata__"):
        return _inner(get_args(annotation)[0])
    return annotation, False
