"""prepare from end to end: real files, a model folder, and a second run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import Execution, PrepareExecution, StageConfig
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.recipes import PrepareRecipe, Source
from steerlm_jobs.contract.report import Report
from steerlm_jobs.models.tiny import make_tiny

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DATA = ROOT / "examples/data"
FILES = {
    "README.md",
    "schema.json",
    "template.json",
    "statistics.json",
    "evaluation_prompts.jsonl",
    "labelled.train.jsonl.zst",
    "labelled.validation.jsonl.zst",
    "unlabelled.train.jsonl.zst",
    "unlabelled.validation.jsonl.zst",
}
TORCH_TOO = """
import sys
from steerlm_jobs.programs.main import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_tiny(["The cat sat on the mat, the dog on the log."] * 200, folder, seed=1, num_steps=1)
    return folder


def a_config(folder: Path, base_model: Path, **execution: Any) -> StageConfig:
    fields: dict[str, Any] = {
        "source_uris": {
            "oasst": str(DATA / "oasst.trees.jsonl.gz"),
            "hs": str(DATA / "helpsteer.jsonl.gz"),
            "hh": str(DATA / "hh.jsonl.gz"),
        },
        "base_model_uri": str(base_model),
        "max_length_tokens": 256,
    }
    names = ("quality", "humor", "helpfulness", "verbosity")
    return StageConfig(
        stage="prepare",
        recipe=PrepareRecipe(
            attributes=(
                *(Attribute(name=name) for name in names),
                Attribute(name="wit", optional=True),
            ),
            labelled=(Source(name="oasst", licence="Apache-2.0"), Source(name="hs")),
            unlabelled=(Source(name="hh", max_conversations=300),),
            min_labels=100,
        ),
        execution=Execution(
            prefix=str(folder / "run"),
            run_uid="0123456789",
            attempt=1,
            num_threads=1,
            prepare=PrepareExecution(**fields | execution),
        ),
    )


def run_program(folder: Path, config: StageConfig) -> tuple[Report, list[str]]:
    """The report and what stood on stderr, its last line: whether torch was loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.model_dump_json(by_alias=True))
    report = folder / "report.json"
    done = subprocess.run(
        [sys.executable, "-c", TORCH_TOO, "prepare", "--config", "config.json", "--report", report],
        check=False,
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = Report.model_validate_json(report.read_text())
    assert done.returncode == found.exit_code
    return found, done.stderr.splitlines()


def content_of(folder: Path) -> Path:
    (content,) = folder.glob("run/prepare/*/attempts/*/content")
    return content


def test_prepare_writes_all_once_and_the_same_elsewhere(tmp_path, base_model):
    first, lines = run_program(tmp_path / "a", a_config(tmp_path / "a", base_model))
    assert (first.exit_code, first.is_cached, lines[-1]) == (ExitCode.OK, False, "True")
    content = content_of(tmp_path / "a")
    assert {file.name for file in content.iterdir() if file.is_file()} == FILES
    assert (content / "base_model/model.safetensors").exists()
    schema = json.loads((content / "schema.json").read_text())
    assert [a["name"] for a in schema["attributes"]] == [
        "quality",
        "humor",
        "helpfulness",
        "verbosity",
    ]
    assert any(note.startswith("attribute wit is left out: 0 labels") for note in first.notes)
    assert any(note.startswith("licence unknown: hs, hh; give it as") for note in first.notes)
    card = (content / "README.md").read_text()
    assert "- oasst: licence Apache-2.0\n- hs: licence unknown\n" in card
    assert "- labelled, train split: " in card
    assert "license_name: that of the run" in (content / "base_model/README.md").read_text()

    again, lines = run_program(tmp_path / "a", a_config(tmp_path / "a", base_model))
    assert (again.digest, again.is_cached, lines[-1]) == (first.digest, True, "False")

    uses = a_config(tmp_path / "a", base_model).execution.run_uid[:8]
    assert (content.parents[2] / "uses" / f"{uses}.json").exists()  # for gc

    elsewhere, _ = run_program(tmp_path / "b", a_config(tmp_path / "b", base_model))
    assert (elsewhere.fingerprint, elsewhere.digest, elsewhere.is_cached) == (
        first.fingerprint,
        first.digest,
        False,
    )


@pytest.mark.parametrize(
    ("execution", "code", "message"),
    [
        (
            {"max_length_tokens": 9000},
            ExitCode.BAD_CONFIG,
            "maxLengthTokens is 9000, but the base model was made for 4096",
        ),
        (
            {"base_model_uri": "{folder}/model"},
            ExitCode.BAD_CONFIG,
            "no tokenizer in this model folder",
        ),
        (
            {"source_uris": {"oasst": "{folder}/bad.jsonl", "hs": "{folder}", "hh": "{folder}"}},
            ExitCode.BAD_INPUT,
            "bad.jsonl:1: not JSON: Expecting value at column 1",
        ),
    ],
    ids=["too-long", "no-tokenizer", "not-json"],
)
def test_what_cannot_be_used_ends_with_one_line_and_no_artifact(
    tmp_path, base_model, execution, code, message
):
    (tmp_path / "bad.jsonl").write_text("oops\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model/model.safetensors").write_text("")
    filled = json.loads(json.dumps(execution).replace("{folder}", str(tmp_path)))
    report, lines = run_program(tmp_path, a_config(tmp_path, base_model, **filled))
    assert (report.exit_code, report.digest) == (code, "")
    assert message in report.message
    assert not any("Traceback" in line for line in lines)
    assert not list(tmp_path.glob("run/prepare/*/manifest.json"))
