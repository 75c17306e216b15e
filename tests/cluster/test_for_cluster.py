"""`steerlm lint --cluster` says before what the API server says: the same files, asked both."""

import json
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.unit.api.scalars import SCALARS
from tests.unit.crd.documents import FILE, WRITTEN, written

pytestmark = pytest.mark.cluster

STRICTLY = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")


@pytest.mark.parametrize("case", WRITTEN)
def test_a_file_that_is_refused_before_is_refused_by_the_server(cluster: Cluster, case: str):
    *place, field = WRITTEN[case][2].partition(": ")[0].split(".")
    said = cluster.kubectl(*STRICTLY, given=written(case), check=False)
    assert "created (server dry run)" not in said
    assert field in said or place[-1] in said


def test_the_file_that_they_were_made_of_is_taken(cluster: Cluster):
    said = cluster.kubectl(*STRICTLY, given=FILE.read_text(encoding="utf-8"))
    assert said.strip().endswith("created (server dry run)")


def test_scalars_are_what_kubectl_makes_of_them(cluster: Cluster):
    lines = [f"  - {text}" for text in SCALARS]
    head = "apiVersion: steerlm.dev/v1alpha1\nkind: SteerLMRun\nmetadata: {name: a}\nspec:\n"
    text = "\n".join([f"{head}  x:", *lines])
    arguments = ("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-")
    found: list[Any] = json.loads(cluster.kubectl(*arguments, given=text))["spec"]["x"]
    same = zip(SCALARS, found, SCALARS.values(), strict=True)
    differ = {text: theirs for text, theirs, ours in same if not _is_same(theirs, ours)}
    assert differ == {}


def _is_same(one: object, other: object) -> bool:
    """Return True for equal values of one kind; JSON writes 8.0 as 8, and 2**64 rounded."""
    if isinstance(other, float):
        return isinstance(one, int | float) and float(one) == other
    return (one, type(one)) == (other, type(other))
