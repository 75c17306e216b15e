"""The install guide tells all values, rights and metrics, and no others."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.shell import Shell
from steerlm_operator.render.settings import StagePodSettings
from tests.scenario.memory_cluster import MemoryCluster
from tests.unit.docs.chart_schema import stage_schemas
from tests.unit.docs.guide import ROOT

CHART = ROOT / "charts/steerlm-operator"
PAGE = (ROOT / "docs/install.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table below a head."""
    table = PAGE.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def leaves(
    values: dict[str, Any], schema: dict[str, Any], at: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        below = schema["properties"][name]
        if "properties" in below:
            yield from leaves(value, below, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def test_every_value_of_the_chart_is_told_with_its_default():
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    told = {name.strip("`"): default for name, default, *_ in rows("value | default | meaning")}
    found = dict(leaves(values, schema))
    assert list(told) == list(found)
    for name, default in told.items():
        if default.startswith("`") and default.endswith("`"):
            assert yaml.safe_load(default.strip("`")) == found[name], name


def test_every_value_has_a_type_in_the_schema_and_the_other_way_round():
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert set(values) == set(schema["properties"]) - {"global"}
    for name, below in schema["properties"].items():
        if "properties" in below:
            assert set(below["properties"]) == set(values[name])


def test_the_chart_refuses_of_placement_and_egress_what_the_operator_would_not_start_with():
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    properties, definitions = stage_schemas()
    told = schema["properties"]["stages"]["properties"]
    assert {name: told[name] for name in properties} == properties
    assert schema["$defs"] == definitions


def test_the_notes_say_what_has_to_be_changed_in_the_run_that_they_name():
    notes = (CHART / "templates/NOTES.txt").read_text(encoding="utf-8")
    (file,) = re.findall(r"crds/examples/\w+\.yaml", notes)
    run = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    told = {*re.findall(r"(?:data|storage)\.[\w.\[\]]*\w", notes)}
    assert set(places(run["spec"])) <= told


def places(node: Any, at: str = "") -> Iterator[str]:
    """Yield the path of all that is different on each cluster: addresses and names of Secrets."""
    if isinstance(node, list):
        for item in node:
            yield from places(item, f"{at}[]")
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from places(value, f"{at}.{name}".removeprefix("."))
    elif str(node).startswith("s3://") or at.endswith("ecretName"):
        yield at


def test_the_operators_rights_are_those_of_the_chart():
    text = (CHART / "templates/rbac.yaml").read_text(encoding="utf-8")
    rules = [yaml.safe_load(line[2:]) for line in re.findall(r"^- \{apiGroups.*$", text, re.M)]
    given = [
        [group or "core", resource, ", ".join(rule["verbs"])]
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    assert rows("group | resource | verbs") == given


def test_the_metrics_are_those_that_are_printed():
    figures = Figures()
    Shell(MemoryCluster(), StagePodSettings(), lambda: datetime(2026, 1, 1, tzinfo=UTC), figures)
    printed = re.findall(r"^# HELP (\w+)", figures.text().decode(), re.M)
    families = {name.removesuffix("_total").removesuffix("_created") for name in printed}
    assert families == {name.strip("`") for name, _ in rows("metric | meaning")}
