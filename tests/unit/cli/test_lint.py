"""`steerlm lint` and `steerlm render`: what they refuse for a cluster, and what they say of it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from steerlm_operator.cli.main import main
from tests.cluster.test_api import FROZEN, REFUSED, changed
from tests.quickstart import quickstart
from tests.unit.crd.documents import WRITTEN, written

ROOT = Path(__file__).parents[3]
HERE = str(ROOT / "examples/quickstart.yaml")
THERE = str(ROOT / "crds/examples/quickstart.yaml")
CASES = [*REFUSED, *(case for case in FROZEN if case[0] == "spec.retry.count")]
"""Other cases of FROZEN, and all of TAKEN_BACK, are valid files: the server compares two."""


class Command:
    """`steerlm`, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["steerlm", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        said = self._capsys.readouterr()
        return ended.value.code, said.out, said.err


@pytest.fixture
def steerlm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.mark.parametrize(("path", "value"), [c[:2] for c in CASES], ids=[c[0] for c in CASES])
def test_what_the_api_server_refuses_is_refused_before(
    tmp_path: Path, steerlm: Command, path: str, value: Any
):
    """tests/unit/crd/test_refusals.py sees that each rule of the definition has a case."""
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps(changed(quickstart(), path, value)))
    code, out, err = steerlm("lint", "--cluster", str(file))
    field = path.replace(".0", "[0]").replace(".1", "[1]")
    nearby = (f" {field}", f" {field.rpartition('.')[0]}: ", f" {field.removesuffix('[0]')}")
    assert (code, out) == (10, "")
    assert any(place in line for line in err.splitlines() for place in nearby)
    assert steerlm("render", str(file)) == (10, "", err)


@pytest.mark.parametrize("case", ["a gate without quotes", "no prefix", "a path"])
def test_render_and_lint_for_a_cluster_say_field_reason_and_remedy(
    tmp_path: Path, steerlm: Command, case: str
):
    file = tmp_path / "run.yaml"
    file.write_text(written(case))
    code, out, err = steerlm("render", str(file))
    assert (code, out, err.count("\n")) == (10, "", 1)
    assert err.endswith(f": {WRITTEN[case][2]}\n")
    assert steerlm("lint", str(file), "--cluster") == (10, "", err)


def test_a_run_for_one_machine_is_valid_with_a_note_of_what_a_cluster_wants(steerlm: Command):
    code, out, err = steerlm("lint", HERE)
    assert (code, out.split("\n")[0]) == (0, f"{HERE}: valid")
    missing = "spec.storage.prefix: is required on a cluster, for the results: s3://bucket/path/"
    assert err.startswith(f"for a cluster: {missing} (and 4 more); see ")
    assert err.endswith(f" lint --cluster {HERE}\n")
    assert err.count("\n") == 1


def test_the_note_says_that_there_were_changes_and_repeats_none(steerlm: Command):
    secret = "spec.defaults.env=[{name: TOKEN, value: hunter2secret}]"
    code, _, err = steerlm("lint", THERE, "--set", "spec.storage.prefix=here/", "--set", secret)
    assert code == 0
    assert "more" not in err
    assert err.endswith(f" lint --cluster {THERE} with the same --set\n")
    assert "hunter2secret" not in err


def test_a_change_that_is_none_is_not_repeated_as_a_whole(steerlm: Command):
    code, _, err = steerlm("lint", THERE, "--set", "spec.defaults.env[T] [{value: hunter2secret}]")
    assert (code, err.splitlines()[0].endswith("say")) == (10, True)
    assert "--set spec.defaults.env[T]: write spec.PATH=VALUE" in err
    assert "hunter2secret" not in err


def test_a_retry_from_what_is_no_stage_is_taken_with_a_note(tmp_path: Path, steerlm: Command):
    file = tmp_path / "run.yaml"
    retry = {"count": 0, "fromStage": "sample-9"}
    file.write_text(json.dumps(changed(quickstart(), "spec.retry", retry)))
    code, out, err = steerlm("lint", "--cluster", str(file))
    assert (code, out.startswith(f"{file}: valid on a cluster\n")) == (0, True)
    assert err.startswith("spec.retry.fromStage: is 'sample-9', no stage of this run (prepare, ")
    assert err.endswith("): nothing is retried until it is one, or empty\n")
    assert (steerlm("render", str(file))[0], steerlm("lint", str(file))[0]) == (0, 10)


def test_a_run_for_a_cluster_has_no_note(steerlm: Command):
    code, _, err = steerlm("lint", THERE)
    assert (code, err) == (0, "")


def test_lint_for_a_cluster_says_so_and_calls_no_field_unused(steerlm: Command):
    code, out, err = steerlm("lint", "--cluster", THERE)
    assert (code, err) == (0, "")
    assert out.startswith(f"{THERE}: valid on a cluster\n")
    assert "not used" not in out
    assert "not used on one machine: spec.storage\n" in steerlm("lint", THERE)[1]


def test_json_has_the_problems_of_a_cluster_and_no_note(steerlm: Command):
    code, out, err = steerlm("lint", HERE, "--json")
    assert (code, json.loads(out)["valid"], err) == (0, True, "")
    code, out, err = steerlm("lint", HERE, "--json", "--cluster")
    found = json.loads(out)
    assert (code, found["valid"], len(found["problems"]), err) == (10, False, 5, "")
    code, out, _ = steerlm("lint", THERE, "--json", "--cluster")
    assert (code, json.loads(out)["unused"]) == (0, [])


def test_render_shows_a_number_that_set_gives_for_text(steerlm: Command):
    code, out, _ = steerlm("render", THERE, "--set", "spec.data.validationFraction=0.25")
    assert code == 0
    assert "kind: Job" in out
