"""The YAML file and the `--set` options of a command, before anyone has checked them."""

from collections.abc import Mapping
from pathlib import Path

import typer
import yaml

from steerlm_operator.local.errors import FileMissingError


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
    """Return the values of `--set PATH=VALUE` options, read as YAML, by path."""
    overrides: dict[str, object] = {}
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path.startswith("spec."):
            msg = f"--set {change}: write spec.PATH=VALUE, spec.bootstrap.iterations=0 say"
            raise typer.BadParameter(msg)
        try:
            overrides[path] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            msg = f"--set {change}: the value is no YAML"
            raise typer.BadParameter(msg) from error
    return overrides
