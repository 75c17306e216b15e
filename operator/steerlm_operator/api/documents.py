"""YAML text as plain values with the line of each, and `--set` changes to them. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from steerlm_operator.api.problems import InvalidRunError, Location, Problem, dotted

_NAMING_KEYS: Final = ("name", "metric", "to")
"""What list items are called by, in paths of `--set`."""
_STEP: Final = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")
_MAX_VALUES: Final = 20_000
_MAX_DEPTH: Final = 50
_PARTS: Final = {"apiVersion", "kind", "metadata", "spec"}
"""What a run consists of: a document with none of them is something else."""
_Scalar = Callable[[yaml.ScalarNode], Any]  # Any: YAML
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


@dataclass(slots=True)
class Document:
    """A YAML document: values, and where they stand."""

    file_name: str
    value: Any  # Any: YAML
    lines: dict[Location, int] = field(default_factory=dict)
    overridden: dict[Location, str] = field(default_factory=dict)
    """Locations that `--set` changed, with the path as it was written."""

    def place(self, location: Location) -> str:
        """Return where a location, or the nearest one around it, was written."""
        for end in range(len(location), -1, -1):
            if location[:end] in self.overridden:
                return f"--set {self.overridden[location[:end]]}"
            if location[:end] in self.lines:
                return f"{self.file_name}:{self.lines[location[:end]]}"
            for changed, path in self.overridden.items():  # made for what lies below it
                if changed[:end] == location[:end]:
                    return f"--set {path}"
        return self.file_name

    def problem(self, location: Location, message: str) -> Problem:
        """Return a problem with its place."""
        return Problem(self.place(location), dotted(location), message)


def read_document(text: str, file_name: str, scalar: _Scalar | None = None) -> Document:
    """Read one YAML document.

    Args:
        text: The document.
        file_name: For messages.
        scalar: Returns the value of a scalar; absent: as PyYAML reads it.

    Raises:
        InvalidRunError: It is no YAML, no mapping, or a key occurs twice.
    """
    document = Document(file_name, {})
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        reader = _Reader(document.lines, scalar or yaml.SafeLoader("").construct_object)
        document.value = {} if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = Problem(f"{file_name}:{line}", "", _not_yaml(error))
        raise InvalidRunError([problem]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidRunError([Problem(file_name, "", f"not YAML: {reason}")]) from error
    if not isinstance(document.value, dict) or node is None:
        problem = Problem(f"{file_name}:1", "", "holds no SteerLMRun: the document is no mapping")
        raise InvalidRunError([problem])
    if document.value and not _PARTS & set(document.value):
        seen = ", ".join(map(repr, list(document.value)[:5]))
        message = f"holds no SteerLMRun: it has {seen}, and a run apiVersion, kind, metadata, spec"
        raise InvalidRunError([Problem(f"{file_name}:1", "", message)])
    if reader.twice:
        raise InvalidRunError([document.problem(at, "is given twice") for at in reader.twice])
    return document


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or error.context or ""
    if "document" in said:
        return "holds more than one document; a run is a file with one"
    if any(word in said for word in ("alias", "anchor", "tag '")):
        said = said.partition(" '")[0]  # of a password that begins with *, & or !
    hint = "; indent with spaces, not with tabs" if "'\\t'" in said else ""
    return f"not YAML: {said}{hint}"


class _Reader:
    """Makes plain values of YAML nodes; what an anchor names is copied wherever it is used.

    Keys are text as written: `on` and `1` stay what they are.
    """

    def __init__(self, lines: dict[Location, int], scalar: _Scalar) -> None:
        self.lines = lines
        self.twice: list[Location] = []
        self._scalar = scalar
        self._num_values = 0

    def value(self, node: yaml.Node, at: Location) -> Any:  # Any: YAML
        self._num_values += 1
        if self._num_values > _MAX_VALUES:  # anchors can hold a billion in a few lines
            raise self._wrong(node, f"more than {_MAX_VALUES} values")
        if len(at) > _MAX_DEPTH:  # or an anchor that holds itself
            raise self._wrong(node, f"nested deeper than {_MAX_DEPTH}")
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            try:
                return self._scalar(node)
            except ValueError as error:
                raise self._wrong(node, str(error)) from error
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        return [self.value(item, (*at, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._wrong(key, "a key is no text")
            if key.tag == _MERGE_TAG:
                for other in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    if not isinstance(other, yaml.MappingNode):
                        raise self._wrong(value, "<< merges mappings only")
                    merged = self._mapping(other, at) | merged
                continue
            below = (*at, key.value)
            if key.value in own:
                self.twice.append(below)
            self.lines[below] = key.start_mark.line + 1
            own[key.value] = self.value(value, below)
        return merged | own

    @staticmethod
    def _wrong(node: yaml.Node, what: str) -> yaml.MarkedYAMLError:
        return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


def apply_overrides(document: Document, overrides: Mapping[str, object]) -> None:
    """Change values of a document in place.

    Raises:
        InvalidRunError: A path does not start at `spec.`, or leads through what is no mapping.
    """
    problems = []
    for path, value in overrides.items():
        try:
            location = _set(document.value, path, value)
        except ValueError as error:
            problems.append(Problem(f"--set {path}", "", str(error)))
        else:
            document.overridden[location] = path
    if problems:
        raise InvalidRunError(problems)


def _set(top: dict[str, Any], path: str, value: object) -> Location:
    steps = _steps(path)
    if steps[0] != "spec" or len(steps) < 2:  # spec and a field of it
        raise ValueError("a path starts at spec., `spec.bootstrap.iterations` say")
    here: Any = top
    location: list[str | int] = []
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        here, key = _entered(here, step, ".".join(map(str, location)))
        location.append(key)
        if is_last:
            here[key] = value
        else:
            if isinstance(here, dict) and here.get(key) is None:
                here[key] = {}
            here = here[key]
    return tuple(location)


def _entered(here: Any, step: str, path: str) -> tuple[Any, str | int]:
    """Return the container and the key that a step of a path means in it."""
    if isinstance(here, dict):
        return here, step
    if isinstance(here, list):
        if step.isdigit() and int(step) < len(here):
            return here, int(step)
        for index, item in enumerate(here):
            if isinstance(item, dict) and step in (item.get(k) for k in _NAMING_KEYS):
                return here, index
        msg = f"{path} has no item {step!r}; {len(here)} items, by number or name"
        raise ValueError(msg)
    msg = f"{path} is a single value and has no field {step!r}"
    raise ValueError(msg)


def _steps(path: str) -> list[str]:
    """Cut `spec.attributes[0].target` into its steps; names with dots stand in brackets."""
    steps = [brackets or name for brackets, name in _STEP.findall(path)]
    if not steps:
        raise ValueError("the path is empty")
    return steps
