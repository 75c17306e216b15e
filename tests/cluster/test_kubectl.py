"""What a person reads with kubectl, committed in tests/golden/kubectl.

After a change that is meant, `REWRITE_GOLDEN=1 python -m pytest tests/cluster/test_kubectl.py`
writes them anew; look at the difference as the person paged at night would.
"""

import os
import re
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import ROOT, Cluster
from tests.cluster.runs import a_stand_in_run

pytestmark = pytest.mark.cluster

GOLDEN = ROOT / "tests/golden/kubectl"
STEPS = r"\b\d+/(\d+|\?)(?= steps)"
"""How far a stage is."""
PLACEHOLDERS = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": "<time>",
    r"[\w-]{43}(?![\w-])": "<digest>",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uid>",
    r"(?<=-)[0-9a-f]{8}(?=-)": "<uid>",
    r"(?<=Gpu Seconds:)( +)[1-9]\d*$": r"\1<n>",
    r"(?<=Active Seconds:)( +)\d\S*$": r"\1<n>",
    r"(?<=Checkpoint Step:)( +)\d+$": r"\1<n>",
    r"((?:cpu|gpu)-)\d$": r"\1<n>",
}
"""What differs from run to run."""


@pytest.fixture(scope="module")
def runs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A namespace with a run that succeeded, one that failed and one that runs."""
    folder, name = tmp_path_factory.mktemp("golden"), "golden"
    cluster.make_namespace(name)
    # More than a second a stage: a quick machine would bill some of them no GPU second.
    cluster.apply(name, a_stand_in_run(folder, name="good", gpus=8, STAND_IN_STEP_SECONDS="0.12"))
    failing = {"STAND_IN_STAGE": "train-apm", "STAND_IN_EXIT": "11"}
    cluster.apply(name, a_stand_in_run(folder, name="bad", **failing))
    cluster.apply(name, a_stand_in_run(folder, name="busy", STAND_IN_STEP_SECONDS="20"))
    cluster.wait_for(name, "good", "Succeeded")
    cluster.wait_for(name, "bad", "Succeeded=False")
    cluster.wait_for_stage(name, "busy", "prepare", "Running")
    cluster.wait_until_heard(name, "busy")
    yield name
    cluster.kubectl("delete", "slr", "busy", "-n", name, "--wait=false")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("get", "get steerlmruns"),
        ("get-wide", "get steerlmruns -o wide"),
        ("wait", "wait slr/good --for=condition=Succeeded"),
        ("describe-succeeded", "describe slr good"),
        ("describe-failed", "describe slr bad"),
        ("describe-running", "describe slr busy"),
    ],
)
def test_kubectl_reads_as_it_is_committed(
    cluster: Cluster, runs: str, file: str, command: str
) -> None:
    verb, *rest = command.split()
    printed = cluster.kubectl(verb, *rest, "-n", runs)
    text = {"get": _table, "describe": _described}.get(verb, str)(printed)
    for pattern, placeholder in PLACEHOLDERS.items():
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    text = "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())
    golden = GOLDEN / f"{file}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def _table(text: str) -> str:
    """Return a table with ages, GPU seconds and steps replaced, as wide as it then needs to be."""
    head, *lines = text.rstrip("\n").splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    bounds = [slice(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    rows = [[line[bound].strip() for bound in bounds] for line in (head, *lines)]
    for row in rows[1:]:
        row[:] = [re.sub(STEPS, "<n>/<n>", cell) for cell in row]
        for name, placeholder in (("AGE", "<age>"), ("GPU-S", "<n>")):
            if name in rows[0] and row[rows[0].index(name)] not in {"", "0"}:
                row[rows[0].index(name)] = placeholder
    return _aligned(rows)


def _described(text: str) -> str:
    """Return what is said of the run beside its spec; events sorted, for they share seconds.

    Neither progress, what follows from it, nor columns are kept: they depend on what was polled
    when.
    """
    above, _, events = text.partition("Events:\n")
    above = re.sub(STEPS, "<n>/<n>", above)
    name, _, below = above.partition("Metadata:\n")
    status = below[below.index("Status:\n") :]
    status = re.sub(r"^    Progress:\n(?:      .*\n)*", "", status, flags=re.MULTILINE)
    status = re.sub(r"^    (Eta|Resumed From):.*\n", "", status, flags=re.MULTILINE)
    status = re.sub(r"(?<=:) +(?=\S)", " ", status)
    status = re.sub(r"(?<=^    Node: ).*$", "<node>", status, flags=re.MULTILINE)
    rows = [re.split(r"\s{2,}", line.strip()) for line in events.rstrip().splitlines()]
    for row in rows[2:]:
        row[2] = "<age>"
    return f"{name}{status}Events:\n{_aligned([rows[0], *sorted(rows[2:])])}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
