import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.repository import PACKAGES, ROOT, committed_files, python_files, text_of

REGISTRIES = (
    "pypi.org",
    "pythonhosted.org",
    "proxy.golang.org",
    "sum.golang.org",
    "registry.npmjs",
    "crates.io",
    "deb.debian.org",
)
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(work|root|home|Users)/\w")
ABSOLUTE_PATH = re.compile(r"/(tmp|var|etc|mnt|dev|opt|usr|proc|home|data)/")
SUPPRESSION = re.compile(
    r"#\s*(noqa|type:\s*ignore)(?P<code>:\s*[A-Z]+\d+[A-Z0-9, ]*|\[[\w, -]+\])?(?P<rest>.*)"
)
RELATIVE_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in committed_files()
        if path != Path(__file__)
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if MACHINE_PATH.search(line) or any(host in line for host in REGISTRIES)
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_code_holds_no_absolute_path(package: str) -> None:
    """A mount path reaches a program through its environment; see docs/architecture.md."""
    found = [
        f"{path.relative_to(ROOT)}: {text!r}"
        for path in PACKAGES[package].rglob("*.py")
        if path.name != "mounts.py"  # the one place that says where things are in a container
        for text in _strings(ast.parse(path.read_text()))
        if ABSOLUTE_PATH.match(text)
    ]
    assert found == []


def test_every_suppression_has_a_code_and_a_reason() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in python_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (match := SUPPRESSION.search(line))
        and not (match["code"] and re.search(r"\w{3}", match["rest"]))
    ]
    assert found == []


def test_no_test_mocks_our_own_code() -> None:
    """If it needs a mock, the decision is in the wrong layer."""
    users = [
        path
        for path in python_files()
        if re.search(r"^\s*(from|import) unittest", path.read_text(), re.M)
    ]
    assert users == []


def test_links_in_documents_lead_somewhere() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in committed_files()
        if path.suffix == ".md"
        for target in RELATIVE_LINK.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert found == []


def _strings(tree: ast.Module) -> Iterator[str]:
    """All string literals but docstrings and other bare expressions."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value
