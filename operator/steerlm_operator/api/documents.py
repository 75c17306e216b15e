"""YAML text as plain values with the line of each, and `--set` changes to them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from steerlm_operator.api.problems import InvalidRunError, Location, Problem, dotted

_NAMING_KEYS: Final = ("name", "metric", "to")
"""What list items are called by, in paths of `--set`."""


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
        return self.file_name

    def problem(self, location: Location, message: str) -> Problem:
        """Return a problem with its place."""
        return Problem(self.place(location), dotted(location), message)


def read_document(text: str, file_name: str) -> Document:
    """Read one YAML document.

    Raises:
        InvalidRunError: It is no YAML, no mapping, or a key occurs twice.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = Problem(f"{file_name}:{line}", "", f"not YAML: {error.problem or error.context}")
        raise InvalidRunError([problem]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidRunError([Problem(file_name, "", f"not YAML: {error}")]) from error
    if not isinstance(value, dict) or node is None:
        problem = Problem(f"{file_name}:1", "", "holds no SteerLMRun: the document is no mapping")
        raise InvalidRunError([problem])
    document = Document(file_name, value)
    twice = _lines(node, (), document.lines)
    if twice:
        raise InvalidRunError([document.problem(at, "is given twice") for at in twice])
    return document


def _lines(node: yaml.Node, at: Location, lines: dict[Location, int]) -> list[Location]:
    """Fill in the line of each value; return the keys that occur twice."""
    lines.setdefault(at, node.start_mark.line + 1)
    twice: list[Location] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*at, str(key.value))
            if below in lines:
                twice.append(below)
            lines[below] = key.start_mark.line + 1
            twice += _lines(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            twice += _lines(value, (*at, index), lines)
    return twice


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
    """Cut `spec.attributes[0].target` into its steps."""
    steps = [step for step in path.replace("[", ".").replace("]", "").split(".") if step]
    if not steps:
        raise ValueError("the path is empty")
    return steps
