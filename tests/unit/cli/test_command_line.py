"""What a person reads: one line and a code for bad input, figures for a finished run."""

import io
import json
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from steerlm_jobs.contract.evaluation import (
    ApmFigures,
    Comparison,
    Evaluation,
    LevelRow,
    ModelRole,
    ModelRow,
    Sweep,
)
from steerlm_jobs.contract.gates import GateResult, MetricValue
from steerlm_jobs.contract.manifest import AttemptInfo, ContentFile, Manifest
from steerlm_operator.api.status import ArtifactRef, Phase, RunStatus, StageState, StageStatus
from steerlm_operator.cli.ask import print_answers
from steerlm_operator.cli.figures import print_evaluation, print_gates
from steerlm_operator.cli.main import main
from steerlm_operator.local import commands
from steerlm_operator.local.workdir import Workdir
from tests.scenario.runs import a_run

METRIC = MetricValue(value=0.93, lower=0.9, upper=0.95)
SWEEP = Sweep(
    model="train-acsft",
    attribute="humor",
    scorer="jokes",
    is_independent=True,
    spearman=METRIC,
    slope=METRIC,
    levels=tuple(
        LevelRow(level=level, mean=mean, lower=0, upper=1, num_prompts=9, mean_words=9)
        for level, mean in ((0, 0.1), (4, 3.9))
    ),
)
EVALUATION = Evaluation(
    attributes=("humor",),
    final_model="train-acsft",
    sweeps=(
        SWEEP,
        SWEEP.model_copy(update={"model": "other"}),
        SWEEP.model_copy(update={"scorer": "apm", "is_independent": False}),
    ),
    apm={
        "humor": ApmFigures(
            pearson=METRIC,
            mae=MetricValue(value=0.4),
            constant_mean_mae=1.2,
            num_labels=40,
            num_distinct_levels=5,
        )
    },
    warnings=("few prompts",),
)


def called(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Return (exit code, stdout, stderr) of `steerlm ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["steerlm", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def printed(show) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(console)
    return console.file.getvalue()


def a_file(folder: Path, **spec) -> Path:
    run = a_run(**spec).model_dump(by_alias=True, mode="json", exclude_unset=True)
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(run))
    return file


def a_workdir(folder: Path, *, is_evaluated: bool = True) -> Path:
    """Return a workdir whose run has been evaluated, or has only begun."""
    workdir = Workdir.create(folder / "runs" / "a", "a")
    names = ("prepare", "train-apm", "annotate", "train-acsft", "evaluate")
    stages = [StageStatus(name=name) for name in names]
    if is_evaluated:
        stages = [done(record, workdir.root) for record in stages]
    phase = Phase.SUCCEEDED if is_evaluated else Phase.RUNNING
    workdir.write_status(RunStatus(phase=phase, progress="5/5", stages=tuple(stages)))
    return workdir.root


def done(record: StageStatus, root: Path) -> StageStatus:
    folder = root / record.name / ("f" * 43)
    (folder / "content").mkdir(parents=True)
    contents = {"metrics.json": EVALUATION.model_dump_json(by_alias=True), "report.html": "<p>"}
    for name, text in contents.items():
        (folder / "content" / name).write_text(text)
    manifest = Manifest(
        kind=record.name,
        fingerprint="f" * 43,
        digest="d" * 43,
        files=tuple(
            ContentFile(name=name, path=f"content/{name}", size=len(text), sha256="s")
            for name, text in contents.items()
        ),
        attempt=AttemptInfo(writer="w"),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    artifact = ArtifactRef(uri=folder.as_uri(), digest="d" * 43)
    return record.model_copy(update={"state": StageState.SUCCEEDED, "artifact": artifact})


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "absent.yaml"), 10, "absent.yaml: cannot be read"),
        (("lint", "absent.yaml"), 10, "absent.yaml: cannot be read"),
        (("status", "absent"), 11, "no run here"),
        (("report", "absent"), 11, "no run here"),
        (("ask", "absent", "hello"), 11, "no run here"),
    ],
)
def test_what_is_not_there_gets_one_line(
    tmp_path, monkeypatch, capsys, arguments: tuple[str, ...], code: int, words: str
):
    monkeypatch.chdir(tmp_path)
    ended, out, err = called(monkeypatch, capsys, *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert words in err


def test_gc_is_the_jobs_program_with_its_code_and_its_one_line(tmp_path, monkeypatch, capfd):
    absent, here = str(tmp_path / "absent"), str(tmp_path)
    code, out, err = called(monkeypatch, capfd, "gc", absent, "--older-than", "30d")
    assert (code, out, err.count("\n")) == (10, "", 1)
    assert f"{absent}: no such folder" in err
    code, out, _ = called(monkeypatch, capfd, "gc", here, "--older-than", "30d", "--dry-run")
    assert (code, out) == (0, f"{here}: nothing to delete; 0 results, all young or needed\n")


@pytest.mark.parametrize("verb", ["run", "lint"])
def test_bad_spec_gets_a_line_with_field_and_value(tmp_path, monkeypatch, capsys, verb: str):
    file = a_file(tmp_path)
    code, _, err = called(
        monkeypatch, capsys, verb, str(file), "--set", "spec.bootstrap.iterations=17"
    )
    assert (code, err.count("\n")) == (10, 1)
    assert "spec.bootstrap.iterations" in err
    assert "17" in err


def test_run_without_the_stage_programs_says_how_to_install_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "_NEEDED", ("no_such_package",))
    code, _, err = called(monkeypatch, capsys, "run", str(a_file(tmp_path)))
    assert (code, err.count("\n")) == (10, 1)
    assert "pip install 'steerlm[operator,jobs]'" in err


def test_folder_with_other_things_is_not_taken_for_a_workdir(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    file = a_file(tmp_path)
    code, _, err = called(monkeypatch, capsys, "run", str(file), "--workdir", str(tmp_path))
    assert (code, err.count("\n")) == (11, 1)
    assert "choose another --workdir" in err
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "run.yaml"}


@pytest.mark.parametrize("name", ["run.json", "status.json"])
def test_damaged_workdir_gets_one_line_with_the_file(tmp_path, monkeypatch, capsys, name: str):
    workdir = a_workdir(tmp_path)
    (workdir / ".steerlm" / name).write_text('{"version": 1, "stages": [')
    code, _, err = called(monkeypatch, capsys, "status", str(workdir))
    assert (code, err.count("\n")) == (11, 1)
    assert f"{name}: damaged" in err


def test_status_as_json_is_the_status(tmp_path, monkeypatch, capsys):
    code, out, _ = called(monkeypatch, capsys, "status", str(a_workdir(tmp_path)), "--json")
    found = json.loads(out)
    assert (code, found["phase"], len(found["stages"])) == (0, "Succeeded", 5)


def test_report_prints_the_figures_and_the_page(tmp_path, monkeypatch, capsys):
    workdir = a_workdir(tmp_path)
    code, out, _ = called(monkeypatch, capsys, "report", str(workdir))
    assert code == 0
    assert "0.93 [0.90, 0.95]" in out
    assert f"report: {workdir}/evaluate/{'f' * 43}/content/report.html" in out


@pytest.mark.parametrize(("verb", "more"), [("report", ()), ("ask", ("hello",)), ("serve", ())])
def test_run_that_has_no_result_yet_gets_one_line(
    tmp_path, monkeypatch, capsys, verb: str, more: tuple[str, ...]
):
    workdir = a_workdir(tmp_path, is_evaluated=False)
    code, _, err = called(monkeypatch, capsys, verb, str(workdir), *more)
    assert (code, err.count("\n")) == (11, 1)
    assert "yet" in err


def test_steering_table_has_a_row_for_each_scorer_of_the_final_model():
    text = printed(lambda console: print_evaluation(console, EVALUATION))
    rows = [line for line in text.splitlines() if line.strip().startswith("humor")]
    assert len(rows) == 2 + 2  # and once more at fixed length
    assert "jokes" in rows[0]
    assert "apm" in rows[1]
    assert "no independent judge" in text
    assert "0.10" in rows[0]
    assert "3.90" in rows[0]
    assert "r 0.93 [0.90, 0.95], mean absolute error 0.40 (always the mean: 1.20)" in text
    assert "warning: few prompts" in text


def test_the_model_before_is_subtracted_and_what_a_scorer_cannot_tell_is_said():
    apm = SWEEP.model_copy(update={"scorer": "apm", "is_independent": False})
    doubtful = apm.model_copy(update={"is_measurable": False})
    less = MetricValue(value=-0.125, lower=-0.25, upper=0.0625)
    rows = {"num_answers": 9, "num_empty": 0, "num_unfinished": 0, "num_too_long": 0}
    models = (
        ModelRow(name="train-acsft", role=ModelRole.FINAL, **rows),
        ModelRow(name="before", role=ModelRole.PREVIOUS, **rows),
    )
    comparison = Comparison(
        model="train-acsft",
        against="before",
        role=ModelRole.PREVIOUS,
        attribute="humor",
        scorer="jokes",
        spearman=less,
        slope=less,
        mean_at_target=MetricValue(value=0.5),
    )
    found = EVALUATION.model_copy(
        update={"sweeps": (SWEEP, doubtful), "models": models, "comparisons": (comparison,)}
    )
    text = printed(lambda console: print_evaluation(console, found))
    assert "train-acsft minus before" in text
    (line,) = [line for line in text.splitlines() if "-0.12 [-0.25, 0.06]" in line]
    assert line.split()[:2] == ["humor", "jokes"]
    assert line.split()[-1] == "0.50"
    assert "not measurable" in next(line for line in text.splitlines() if " apm " in line)


def test_gates_say_which_failed():
    results = (
        GateResult(metric="meter/a/spearman", value=0.9, bound=0.8, passed=True),
        GateResult(metric="meter/b/spearman", value=None, bound=0.8, passed=False),
    )
    text = printed(lambda console: print_gates(console, results))
    assert "gate passed: meter/a/spearman 0.900, bound 0.8" in text
    assert "gate FAILED: meter/b/spearman not measurable, bound 0.8" in text


def test_malformed_set_options_get_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--set", "iterations", "--set", "spec.seed=["]
    monkeypatch.setattr(sys, "argv", ["steerlm", "lint", "examples/quickstart.yaml", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 10
    assert capsys.readouterr().err.splitlines() == [
        "steerlm: --set iterations: write spec.PATH=VALUE, spec.bootstrap.iterations=0 say",
        "steerlm: --set spec.seed: the value is no YAML",
    ]


def test_ask_marks_levels_that_were_not_trained_whether_asked_for_or_targets():
    out = io.StringIO()
    answers = [
        {"asked": {"humor": 4}, "untrained": {"humor": 4, "quality": 2}, "answer": "[b]Ha[/b]"},
        {"asked": {"humor": 0}, "untrained": {"quality": 2}, "answer": "No."},
        {"asked": {}, "untrained": {"quality": 2}, "answer": "Well."},
    ]
    print_answers(Console(file=out, width=100), answers)
    text = out.getvalue()
    assert "humor=4*" in text
    assert "humor=0 " in text
    assert "target levels*" in text
    assert "[b]Ha[/b]" in text
    assert text.endswith("* too few training examples to have an effect: humor=4, quality=2\n")


def test_the_final_table_marks_levels_that_were_not_trained():
    few = SWEEP.levels[1].model_copy(update={"is_trained": False})
    sweep = SWEEP.model_copy(update={"levels": (SWEEP.levels[0], few)})
    out = io.StringIO()
    print_evaluation(
        Console(file=out, width=120), EVALUATION.model_copy(update={"sweeps": (sweep,)})
    )
    text = out.getvalue()
    assert "3.90*" in text
    assert "0.10*" not in text
    assert "* too few training examples of this level" in text
