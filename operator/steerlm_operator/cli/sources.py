"""The YAML file and the `--set` options of a command, before anyone has checked them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from steerlm_operator.api.problems import InvalidRunError, Problem
from steerlm_operator.local.errors import FileMissingError

_PATH: Final = re.compile(r"[\w.-]+(\[[\w./-]+\][\w.-]*)*")
"""What is repeated of an option that is wrong: what follows may hold a secret."""


def read_text(file: Path) -> str:
    """Return the text of a YAML file.

    Raises:
        FileMissingError: It cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8 text'})"
        raise FileMissingError(msg) from error


def overrides_of(changes: list[str]) -> Mapping[str, object]:
    """Return the values of `--set PATH=VALUE` options, read as YAML, by path.

    Raises:
        InvalidRunError: An option is not of that form, or its value is no YAML.
    """
    overrides: dict[str, object] = {}
    problems: list[Problem] = []
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path.startswith("spec."):
            message = "write spec.PATH=VALUE, spec.bootstrap.iterations=0 say"
            shown = _PATH.match(path)
            problems.append(Problem(f"--set {shown[0] if shown else ''}".rstrip(), "", message))
            continue
        try:
            overrides[path] = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.append(Problem(f"--set {path}", "", "the value is no YAML"))
    if problems:
        raise InvalidRunError(problems)
    return overrides
