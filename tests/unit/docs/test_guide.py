import ast
import re
import shlex

import pytest
import typer
import yaml

from steerlm_operator.api.data import SourceSpec
from steerlm_operator.api.loading import load_run
from steerlm_operator.api.stages import StagesSpec
from steerlm_operator.cli.verbs import app
from tests.house.repository import PACKAGES
from tests.unit.docs.guide import GUIDE, PAGES, ROOT, blocks, first_cells

COMMANDS = [
    line.removeprefix(".venv/bin/")
    for page in PAGES
    for _, block in blocks(page, "sh")
    for line in block.splitlines()
    if line.removeprefix(".venv/bin/").startswith("steerlm ")
]
YAML = [(page.name, text) for page in PAGES for _, text in blocks(page, "yaml")]
MESSAGES = first_cells(GUIDE / "troubleshooting.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_has_these_arguments(command):
    words = shlex.split(command)[1:]
    parsed = typer.main.get_command(app)
    while hasattr(parsed, "commands"):
        parsed = parsed.commands[words.pop(0)]
    with parsed.make_context(parsed.name, words):
        pass


@pytest.mark.parametrize(("page", "text"), YAML)
def test_every_yaml_of_the_guide_is_valid(page, text):
    value = yaml.safe_load(text)
    if "apiVersion" in value:
        load_run(text, file_name=page)
    elif "stages" in value:  # a part of a spec
        StagesSpec.model_validate(value["stages"])
    else:  # fields of a source
        SourceSpec.model_validate({"name": "a", "uri": "a.jsonl", **value})


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_guide_can_be_printed(message, templates):
    pattern = re.sub(r"<[^<>]+>", "\0", message.strip("`"))
    parts = [re.escape(part) for part in re.split(r"\0", pattern)]
    wanted = re.compile(".{0,40}".join(parts), re.S)
    assert [text for text in templates if wanted.search(text)]


def test_the_guide_explains_many_messages_and_none_twice():
    assert len(MESSAGES) > 40
    assert len(MESSAGES) == len(set(MESSAGES))


def test_the_readme_and_the_index_lead_to_the_guide_and_the_comparison():
    for page, links in {
        ROOT / "README.md": ("docs/guide/README.md", "docs/comparison.md"),
        ROOT / "docs/index.md": ("guide/README.md", "comparison.md"),
        GUIDE / "README.md": tuple(p.name for p in PAGES if p.name != "README.md"),
    }.items():
        assert [link for link in links if f"({link})" not in page.read_text()] == []


def test_every_row_of_the_comparison_has_all_four_parts():
    rows = re.findall(r"^\|(.*)\|$", (ROOT / "docs/comparison.md").read_text(), re.M)
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {5}


@pytest.fixture(scope="module")
def templates():
    """All strings of the code; what is filled in stands as one NUL."""
    found = set()
    for package in PACKAGES.values():
        for path in package.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr | ast.Constant):
                    found.add(_template(node))
    return found


def _template(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(value) for value in node.values)
    return node.value if isinstance(getattr(node, "value", None), str) else "\0"
