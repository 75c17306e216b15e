"""Every end of a stage program has its exit code, one line, and a report."""

import json
from pathlib import Path

import pytest

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.contract.gates import Gate, GateResult, MetricValue
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import MAX_REPORT_BYTES, Report
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.programs import recipes
from steerlm_jobs.programs.stage import StageRequest, run_stage
from steerlm_jobs.store.artifacts import ArtifactWriter
from tests.unit.programs.builders import STAND_IN, a_config, an_evaluation, written


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch):
    for kind in StageKind:
        monkeypatch.setitem(recipes.STAGE_MODULES, kind, STAND_IN)


def ended(
    config: Path,
    *,
    kind: StageKind = StageKind.ANNOTATE,
    stop: StopFlag | None = None,
    only_existing: bool = False,
):
    """Run the stage and return its report, whose exit code must be the program's."""
    file = config.parent / "report.json"
    scratch = config.parent / "scratch"
    request = StageRequest(kind, config, file, scratch=scratch, is_only_existing=only_existing)
    code = run_stage(request, stop or StopFlag())
    assert file.stat().st_size <= MAX_REPORT_BYTES
    report = Report.model_validate_json(file.read_bytes())
    assert report.exit_code == code
    return report


def test_a_sealed_stage_reports_its_digest_and_notes(tmp_path: Path):
    config = a_config(tmp_path)
    report = ended(written(config, tmp_path))
    assert report == Report(
        exit_code=ExitCode.OK,
        fingerprint=config.fingerprint,
        digest=report.digest,
        notes=("a warning",),
    )
    assert len(report.digest) == 43


def test_a_second_run_is_cached(tmp_path: Path):
    config = a_config(tmp_path)
    first, second = (ended(written(config, tmp_path)) for _ in range(2))
    assert second == Report(
        exit_code=ExitCode.OK,
        fingerprint=config.fingerprint,
        digest=first.digest,
        is_cached=True,
    )


def test_a_cached_evaluation_still_decides_this_runs_gates(tmp_path: Path):
    gate = Gate(metric="steerability/humor/spearman", min=0.8)
    config = an_evaluation(tmp_path, (gate,))
    writer = ArtifactWriter(config, tmp_path / "w")
    metrics = {gate.metric: MetricValue(value=0.9, lower=0.7, upper=1)}
    evaluation = Evaluation(attributes=(), final_model="m", sweeps=(), metrics=metrics)
    (writer.content / "metrics.json").write_text(evaluation.model_dump_json(by_alias=True))
    writer.commit()
    report = ended(written(config, tmp_path), kind=StageKind.EVALUATE)
    assert report.is_cached
    assert report.gates == (
        GateResult(metric=gate.metric, value=0.9, lower=0.7, upper=1, bound=0.8, passed=False),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"version": 1,', "Invalid JSON"),
        ("[]", "the file: "),
        ('{"stage":"a","execution":{},"surplus":1}', "(and "),
    ],
)
def test_a_malformed_config_is_one_line_and_exit_10(tmp_path: Path, capsys, text: str, line: str):
    (tmp_path / "config.json").write_text(text)
    report = ended(tmp_path / "config.json")
    assert report.exit_code == ExitCode.BAD_CONFIG
    assert line in report.message
    assert str(tmp_path / "config.json") in report.message
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert report.message in errors


def test_an_unknown_field_is_named(tmp_path: Path):
    config = json.loads(a_config(tmp_path).model_dump_json(by_alias=True))
    config["execution"]["zeroStages"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    report = ended(tmp_path / "config.json")
    assert report == Report(
        exit_code=ExitCode.BAD_CONFIG,
        message=f"{tmp_path}/config.json: execution.zeroStages: Extra inputs are not permitted",
    )


def test_a_missing_config_is_exit_10(tmp_path: Path):
    report = ended(tmp_path / "none.json")
    assert report == Report(
        exit_code=ExitCode.BAD_CONFIG,
        message=f"{tmp_path}/none.json: cannot read the stage config: No such file or directory",
    )


def test_a_config_of_another_kind_is_exit_10(tmp_path: Path):
    report = ended(written(a_config(tmp_path), tmp_path), kind=StageKind.SAMPLE)
    assert report.exit_code == ExitCode.BAD_CONFIG
    assert "recipe.kind is annotate, but the program is sample" in report.message


def test_a_damaged_input_is_exit_11(tmp_path: Path):
    source = a_config(tmp_path)
    digest = ended(written(source, tmp_path)).digest
    uri = f"{tmp_path}/annotate/{source.fingerprint}"
    (Path(uri) / "attempts/01234567-1/content/a.json").write_text("[]")
    given = StageInput(
        stage="annotate",
        kind=StageKind.ANNOTATE,
        uri=uri,
        fingerprint=source.fingerprint,
        digest=digest,
    )
    report = ended(written(a_config(tmp_path, ending="read", inputs=(given,)), tmp_path))
    assert report.exit_code == ExitCode.BAD_INPUT
    assert "a.json: damaged artifact: was overwritten" in report.message


def test_a_stage_says_what_it_reads_before_it_begins(tmp_path: Path):
    """For gc: an old result that a running stage has not read yet must not go."""
    given = StageInput(
        stage="prepare", kind=StageKind.PREPARE, uri="none", fingerprint="F", digest="D"
    )
    config = a_config(tmp_path, ending="diverge", inputs=(given,))
    ended(written(config, tmp_path))
    folder = tmp_path / "annotate" / config.fingerprint
    assert [f.relative_to(folder).as_posix() for f in folder.rglob("*.json")] == [
        "uses/01234567.json"
    ]
    assert json.loads((folder / "uses/01234567.json").read_text())["fingerprints"] == ["F"]


@pytest.mark.parametrize(
    ("ending", "code", "line"),
    [
        ("diverge", ExitCode.DIVERGED, "loss was nan"),
        ("full", ExitCode.STORE_UNAVAILABLE, "disk full"),
        ("full-library", ExitCode.STORE_UNAVAILABLE, "disk full"),
    ],
)
def test_a_known_failure_has_its_code_and_no_traceback(
    tmp_path: Path, capsys, caplog, ending: str, code: ExitCode, line: str
):
    report = ended(written(a_config(tmp_path, ending=ending), tmp_path))
    assert report.exit_code == code
    assert line in report.message
    assert "Traceback" not in capsys.readouterr().err + caplog.text


def test_an_unexpected_exception_is_exit_1_with_its_traceback_in_the_log_only(
    tmp_path: Path, capsys, caplog
):
    report = ended(written(a_config(tmp_path, ending="bug"), tmp_path))
    line = "unexpected KeyError: 'key that is\\nnot there' (traceback in the log)"
    assert report == Report(exit_code=ExitCode.BUG, message=line)
    assert "Traceback" in caplog.text
    captured = capsys.readouterr()
    assert captured.err == f"annotate: {line}\n"


def test_a_stop_before_the_stage_is_exit_21_but_not_for_a_cached_one(tmp_path: Path):
    stop = StopFlag()
    stop.set()
    config = written(a_config(tmp_path), tmp_path)
    assert ended(config, stop=stop).exit_code == ExitCode.INTERRUPTED
    digest = ended(config).digest
    assert ended(config, stop=stop).digest == digest


def test_a_probe_tells_of_the_result_and_makes_none(tmp_path: Path):
    config = a_config(tmp_path)
    missing = ended(written(config, tmp_path), only_existing=True)
    assert missing.exit_code == ExitCode.BAD_INPUT
    assert missing.message.endswith(f"/annotate/{config.fingerprint}: there is no result")
    made = ended(written(config, tmp_path))
    assert ended(written(config, tmp_path), only_existing=True).digest == made.digest


def test_a_report_is_cut_to_its_limit(tmp_path: Path):
    report = ended(written(a_config(tmp_path, ending="long"), tmp_path))
    assert report.exit_code == ExitCode.OK
    assert 10 < len(report.notes) < 200


def test_without_a_report_file_the_report_goes_to_stdout(tmp_path: Path, capsys):
    config = written(a_config(tmp_path), tmp_path)
    run_stage(StageRequest(StageKind.ANNOTATE, config), StopFlag())
    assert Report.model_validate_json(capsys.readouterr().out).exit_code == ExitCode.OK


def test_a_report_that_cannot_be_written_does_not_hide_the_stages_code(tmp_path: Path):
    config = written(a_config(tmp_path, ending="diverge"), tmp_path)
    request = StageRequest(StageKind.ANNOTATE, config, tmp_path / "not" / "there")
    assert run_stage(request, StopFlag()) == ExitCode.DIVERGED
    config = written(a_config(tmp_path), tmp_path)
    assert run_stage(request, StopFlag()) == ExitCode.STORE_UNAVAILABLE
