"""The command line: verbs, options, and what loads how much."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.programs.arguments import parser
from steerlm_jobs.programs.main import main
from tests.unit.store.suite import a_config, a_sealed

ROOT = Path(__file__).parents[3]


def test_every_stage_kind_is_a_program():
    for kind in StageKind:
        given = parser().parse_args([kind.value, "--config", "c.json"])
        assert (given.verb, given.config, given.report) == (kind.value, Path("c.json"), None)


def test_paths_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("STEERLM_REPORT_FILE", "r")
    monkeypatch.setenv("STEERLM_PROGRESS_FILE", "p")
    monkeypatch.setenv("STEERLM_SCRATCH_DIR", "s")
    given = parser().parse_args(["sample", "--config", "c", "--progress", "other"])
    assert [given.report, given.progress, given.scratch] == [Path("r"), Path("other"), Path("s")]


def test_verify_prints_what_it_recomputed(tmp_path: Path, capsys):
    sealed = a_sealed(str(tmp_path), tmp_path / "scratch")
    fingerprint = a_config("").fingerprint
    uri = f"{tmp_path}/annotate/{fingerprint}"
    assert main(["verify", uri]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "uri": uri,
        "kind": "annotate",
        "fingerprint": fingerprint,
        "digest": sealed.digest,
        "files": 2,
        "bytes": 18,
    }


def test_verify_names_what_is_wrong_in_one_line(tmp_path: Path, capsys):
    assert main(["verify", str(tmp_path / "annotate" / "x")]) == 11
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "no artifact here" in captured.err


@pytest.mark.parametrize("uri", ["none", "memory://none"])
def test_asking_where_no_model_is_ends_with_one_line(tmp_path: Path, capsys, monkeypatch, uri: str):
    monkeypatch.chdir(tmp_path)
    assert main(["ask", uri, "Who are you?"]) == 11
    assert capsys.readouterr().err.startswith(f"{uri}: no model here")


def test_gc_prints_what_goes_and_the_second_time_that_nothing_does(tmp_path: Path, capsys):
    a_sealed(str(tmp_path / "runs"), tmp_path / "scratch")
    name = a_config("").fingerprint
    now = ["gc", str(tmp_path / "runs"), "--older-than", "0d"]
    assert main([*now, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["annotate", name[:12]]
    assert "would free" in lines[-1]
    assert (tmp_path / "runs" / "annotate" / name / "manifest.json").exists()
    assert main(now) == 0
    assert "freed" in capsys.readouterr().out
    assert list((tmp_path / "runs").iterdir()) == []
    assert main(now) == 0
    assert "nothing to delete; 0 results" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("prefix", "age", "line"),
    [
        ("nowhere", "30d", "nowhere: no such folder"),
        ("ftp://x/y", "30d", "unknown scheme 'ftp'"),
        ("s3://", "30d", "no bucket"),
        (".", "soon", "'soon' is no age"),
    ],
)
def test_gc_names_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys, prefix, age, line):
    monkeypatch.chdir(tmp_path)
    assert main(["gc", prefix, "--older-than", age]) == 10
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert line in captured.err


@pytest.mark.parametrize("text", ["humor", "humor=much", "humor="])
def test_a_level_that_is_none_is_refused(text: str, capsys):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["ask", "model", "prompt", "--set", text])
    assert end.value.code == 2
    assert "is not NAME=LEVEL" in capsys.readouterr().err


def test_help_and_verify_load_nothing_heavy():
    code = (
        "import sys; from steerlm_jobs.programs.main import main; "
        "code = main(['verify', 'none']); print(code, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    code, *loaded = done.stdout.split()
    assert code == "11"
    assert not {"torch", "transformers", "numpy", "s3fs", "botocore", "fsspec"} & set(loaded)
