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
from steerlm_jobs.contract.report import Progress
from steerlm_operator.api.status import ArtifactRef, Phase, RunStatus, StageState, StageStatus
from steerlm_operator.cli.ask import print_answers
from steerlm_operator.cli.figures import print_evaluation, print_gates, print_paths
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
ATTRIBUTES = [{"name": "quality"}, {"name": "humor", "min": -1, "max": 2}]
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
    contents = {
        "metrics.json": EVALUATION.model_dump_json(by_alias=True),
        "report.html": "<p>",
        "config.json": "{}",
        "steerlm.json": json.dumps({"attributes": ATTRIBUTES}),
    }
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
        (("status", "absent"), 10, "absent: no run here: no such folder; give the --workdir"),
        (("report", "absent"), 10, "no run here"),
        (("serve", "absent"), 10, "no run here"),
        (("ask", "absent", "hello"), 10, "no run here"),
        (("gc", "absent", "--older-than", "1d"), 10, "absent: no such folder"),
    ],
)
def test_what_is_not_there_gets_one_line(
    tmp_path, monkeypatch, capfd, arguments: tuple[str, ...], code: int, words: str
):
    monkeypatch.chdir(tmp_path)
    ended, out, err = called(monkeypatch, capfd, *arguments)
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
    assert (code, err.count("\n")) == (10, 1)
    assert "choose another --workdir" in err
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "run.yaml"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "FILE"), "run.yaml: no run here: it is a file; give the --workdir"),
        (("ask", "FILE", "hello"), "run.yaml: no run here: it is a file"),
        (("run", "FILE", "--workdir", "FILE"), "run.yaml: is a file, no folder; choose another"),
        (("gc", "FILE", "--older-than", "1d"), "run.yaml: no such folder"),
        (("status", "RUNS"), "runs: no run here, but in RUNS/a; give the --workdir"),
        (("status", "RUNS/a/prepare"), "prepare: no run here, but in RUNS/a; give"),
        (("report", "RUNS/a/.steerlm/attempts"), "attempts: no run here; give the --workdir"),
    ],
)
def test_a_wrong_folder_ends_with_10_and_says_what_is_there(
    tmp_path, monkeypatch, capfd, arguments: tuple[str, ...], words: str
):
    names = {"FILE": str(a_file(tmp_path)), "RUNS": str(a_workdir(tmp_path).parent)}

    def named(text: str) -> str:
        for name, path in names.items():
            text = text.replace(name, path)
        return text

    code, out, err = called(monkeypatch, capfd, *map(named, arguments))
    assert (code, out, err.count("\n")) == (10, "", 1)
    assert named(words) in err


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


def test_the_end_of_a_run_names_the_models_stage_and_a_command_that_works_from_here(
    tmp_path, monkeypatch
):
    workdir = a_workdir(tmp_path)
    command = tmp_path / ".venv" / "bin" / "steerlm"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/steerlm"])
    status = Workdir.open(workdir).read_status()
    lines = printed(lambda console: print_paths(console, status, workdir)).splitlines()
    assert lines[0] == f"model:  {workdir}/train-acsft/{'f' * 43}/content (of train-acsft)"
    asked = f"try:    .venv/bin/steerlm ask {workdir} 'Tell me about cats.' --set humor=4"
    assert lines[2] == f"{asked} --against humor=0"


def test_status_shows_all_units_of_a_stage_that_is_done_and_nothing_of_a_cached_one(
    tmp_path, monkeypatch, capsys
):
    workdir = a_workdir(tmp_path)
    status = Workdir.open(workdir).read_status()
    seen = (
        (StageState.SUCCEEDED, Progress(done=400, unit="conversations")),
        (StageState.SUCCEEDED, Progress(done=0, total=62)),
        (StageState.SUCCEEDED, Progress(activity="reading roots")),
        (StageState.CACHED, Progress(activity="reading roots")),
        (StageState.RUNNING, Progress(done=3)),
    )
    stages = [
        record.model_copy(update={"state": state, "progress": progress})
        for record, (state, progress) in zip(status.stages, seen, strict=True)
    ]
    Workdir.open(workdir).write_status(status.model_copy(update={"stages": tuple(stages)}))
    _, out, _ = called(monkeypatch, capsys, "status", str(workdir))
    rows = [[cell.strip() for cell in line.split("\u2502")] for line in out.splitlines()]
    assert [row[5] for row in rows if len(row) == 8] == [
        "400/400 conversations",
        "62/62 steps",
        "",
        "",
        "3/? steps",
    ]


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
    assert (code, err.count("\n")) == (10, 1)
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
        GateResult(
            metric="meter/a/spearman", value=0.9, lower=0.85, upper=1, bound=0.8, passed=True
        ),
        GateResult(metric="meter/b/spearman", value=None, bound=0.8, passed=False),
    )
    text = printed(lambda console: print_gates(console, results))
    assert "gate passed: meter/a/spearman is 0.9 [0.85, 1], needs low >= 0.8\n" in text
    assert "gate FAILED: meter/b/spearman is not measurable, needs low >= 0.8\n" in text


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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--set", "formality"), "--set formality: write NAME=LEVEL, {example}; {knows}"),
        (("--set", "humor:2"), "--set humor:2: write NAME=LEVEL, {example}; {knows}"),
        (("--set", "humor=high"), "--set humor=high: write NAME=LEVEL, {example}; {knows}"),
        (("--set", "humor=1,quality=4"), "--set humor=1,quality=4: write NAME=LEVEL, {example}; "),
        (("--set", "=2"), "--set =2: write NAME=LEVEL, {example}; {knows}"),
        (("--against", "formality=1"), "--against: unknown attribute 'formality'; {knows}"),
        (("--set", "humor=4"), "--set: humor=4 is outside -1..2"),
        (("--set", "humor=1", "--set", "humor=2"), "--set humor=2: humor is given twice; "),
    ],
)
def test_ask_says_in_one_line_what_may_be_asked_for(
    tmp_path, monkeypatch, capsys, options: tuple[str, ...], line: str
):
    code, out, err = called(monkeypatch, capsys, "ask", str(a_workdir(tmp_path)), "Hello", *options)
    assert (code, out, err.count("\n")) == (10, "", 1)
    example = f"{options[0]} quality=4 say, once for each"
    assert line.format(example=example, knows="this model knows quality 0..4, humor -1..2") in err


def test_a_prompt_that_begins_with_a_hyphen_reaches_the_model(tmp_path, monkeypatch, capfd):
    parsing = (
        "import json, sys; from steerlm_jobs.programs.arguments import parser\n"
        "given = parser().parse_args(sys.argv[1:])\n"
        "print(json.dumps({'prompt': given.prompt, 'set': given.set}))"
    )
    monkeypatch.setattr(commands, "JOBS_PROGRAM", (sys.executable, "-c", parsing))
    arguments = ("ask", str(a_workdir(tmp_path)), "--json", "--set", "humor=-1", "--", "-5 + 3?")
    code, out, err = called(monkeypatch, capfd, *arguments)
    assert (code, err.strip()) == (0, "")
    assert json.loads(out) == {"prompt": "-5 + 3?", "set": [["humor", -1]]}


def test_ask_wants_a_prompt(tmp_path, monkeypatch, capsys):
    code, _, err = called(monkeypatch, capsys, "ask", str(a_workdir(tmp_path)), " ")
    assert (code, err) == (10, "steerlm: the prompt is empty; write what to say to the model\n")


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
