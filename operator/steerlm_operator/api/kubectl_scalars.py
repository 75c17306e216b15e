"""YAML scalars as kubectl reads them: Go's rules, which are not PyYAML's. Pure.

`2e-3` is a number to kubectl and text to PyYAML, `y` is true, and `1:30` is text. Source: `resolve`
of sigs.k8s.io/yaml/goyaml.v2. tests/cluster/test_for_cluster.py asks kubectl.
"""

import re
from math import isfinite
from typing import Any, Final

import yaml

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(("n", "N", "no", "No", "NO"), False),
    **dict.fromkeys(("false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?")
_OLD_OCTAL: Final = re.compile(r"^([-+]?)0(?=[0-7])")
_MAX_INTEGER: Final = (1 << 64) - 1


class WrittenFloat(float):
    """A number that shows itself as it was written: `5e-6`, not `5e-06`."""

    def __new__(cls, text: str) -> "WrittenFloat":
        """Return the number that a text is."""
        number = super().__new__(cls, text.replace("_", ""))
        number._text = text
        return number

    _text: str

    def __repr__(self) -> str:
        """Return the text."""
        return self._text


def kubectl_scalar(node: yaml.ScalarNode) -> Any:  # Any: YAML
    """Return the value of a scalar; one in quotes or with a tag means the same to everybody."""
    if node.style is not None or _has_tag(node):
        return yaml.SafeLoader("").construct_object(node)
    return _plain(node.value)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        number = int(_OLD_OCTAL.sub(r"\g<1>0o", digits), 0)
        if abs(number) <= _MAX_INTEGER:
            return number
    if _FLOAT.fullmatch(digits) and isfinite(float(digits)):
        return WrittenFloat(text)
    return text


def _has_tag(node: yaml.ScalarNode) -> bool:
    """Return True where a tag stands before the value: composing keeps no other trace of it."""
    start, end = node.start_mark, node.end_mark
    return "!" in (start.buffer or "")[start.pointer : end.pointer].removesuffix(node.value)
