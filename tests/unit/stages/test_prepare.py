"""What prepare does before, and without, loading torch. The whole of it: tests/slow."""

from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import (
    SCRATCH_MODEL,
    Execution,
    PlannedStage,
    PrepareExecution,
    StageConfig,
    artifact_uri,
)
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, StageError
from steerlm_jobs.contract.fingerprint import stage_fingerprint
from steerlm_jobs.contract.gates import Gate
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import MANIFEST_NAME
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    EvaluateRecipe,
    LabelSource,
    PrepareRecipe,
    Source,
    TrainApmRecipe,
    Training,
)
from steerlm_jobs.contract.report import Report
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.stages.prepare import run
from tests.unit.data.builders import a_rating, written

TRAINING = Training(learning_rate=1e-3, weight_decay=0, epochs=1)
GRAPH = (
    PlannedStage(stage="train-apm", recipe=TrainApmRecipe(training=TRAINING), inputs=("prepare",)),
    PlannedStage(
        stage="annotate", recipe=AnnotateRecipe(), inputs=("prepare", "train-apm"), salt="again"
    ),
    PlannedStage(
        stage="evaluate", recipe=EvaluateRecipe(targets={}), inputs=("prepare", "annotate")
    ),
)


def a_config(folder: Path, *, source: Source | None = None, **execution: Any) -> StageConfig:
    written(folder / "hs.jsonl", [a_rating("q", "a", helpfulness=1)])
    fields: dict[str, Any] = {
        "source_uris": {"hs": str(folder / "hs.jsonl")},
        "base_model_uri": SCRATCH_MODEL,
        "graph": GRAPH,
        "is_dry_run": True,
    }
    return StageConfig(
        stage="prepare",
        recipe=PrepareRecipe(
            attributes=(Attribute(name="helpfulness"),), labelled=(source or Source(name="hs"),)
        ),
        execution=Execution(
            prefix=str(folder / "run"),
            run_uid="0123456789",
            attempt=1,
            prepare=PrepareExecution(**fields | execution),
        ),
    )


def prepared(folder: Path, config: StageConfig) -> Report:
    return run(StageContext(config, folder / "scratch"))


def refusal(folder: Path, error: type[StageError], **settings: Any) -> str:
    with pytest.raises(error) as caught:
        prepared(folder, a_config(folder, **settings))
    assert not (folder / "run").exists()
    return str(caught.value).replace(f"{folder}/", "")


def test_a_dry_run_digests_the_roots_and_writes_nothing(tmp_path):
    report = prepared(tmp_path, a_config(tmp_path))
    assert report.prepare is not None
    assert list(report.prepare.roots) == ["hs", "model", "template"]
    assert report.prepare.existing == ("", "", "")
    assert (report.digest, report.is_cached) == ("", False)
    assert report.fingerprint == stage_fingerprint(a_config(tmp_path).recipe, report.prepare.roots)
    assert not (tmp_path / "run").exists()


def test_the_data_decide_the_fingerprint_wherever_they_lie(tmp_path):
    first = prepared(tmp_path, a_config(tmp_path)).fingerprint
    (tmp_path / "elsewhere").mkdir()
    assert prepared(tmp_path, a_config(tmp_path / "elsewhere")).fingerprint == first
    config = a_config(tmp_path)
    written(tmp_path / "hs.jsonl", [a_rating("q", "a", helpfulness=2)])
    assert prepared(tmp_path, config).fingerprint != first


def test_a_damaged_manifest_is_refused(tmp_path):
    config = a_config(tmp_path)
    fingerprint = prepared(tmp_path, config).fingerprint
    uri = artifact_uri(str(tmp_path / "run"), StageKind.PREPARE, fingerprint)
    (Path(uri)).mkdir(parents=True)
    (Path(uri) / MANIFEST_NAME).write_text('{"version": 1, "ki')
    with pytest.raises(BadInputError, match="truncated or not a manifest"):
        prepared(tmp_path, config)


def test_a_missing_file_is_named_with_its_line_in_the_spec(tmp_path):
    message = refusal(
        tmp_path,
        BadInputError,
        source_uris={"hs": str(tmp_path / "none.jsonl")},
        source_lines={"hs": "run.yaml:12"},
    )
    assert message == "run.yaml:12: source hs: none.jsonl: no such file or folder"


def test_a_missing_prompt_file_is_named(tmp_path):
    message = refusal(tmp_path, BadInputError, evaluation_prompts_uri=str(tmp_path / "p.jsonl"))
    assert message == "spec.data.evaluationPrompts: p.jsonl: no such file or folder"


def test_a_missing_model_or_one_without_a_config_is_bad_config(tmp_path):
    message = refusal(tmp_path, BadConfigError, base_model_uri=str(tmp_path / "model"))
    assert message == "spec.model.baseModelUri: model: no such file or folder"
    written(tmp_path / "model" / "tokenizer.json", [])
    message = refusal(tmp_path, BadConfigError, base_model_uri=str(tmp_path / "model"))
    assert message == (
        "spec.model.baseModelUri: model: no Hugging Face model folder (no config.json)"
    )


def test_a_gate_on_an_unknown_metric_is_bad_config(tmp_path):
    gates = (Gate(metric="steerability/humor/spearman", min=0.5),)
    assert refusal(tmp_path, BadConfigError, gates=gates) == (
        "spec.stages.evaluate.gates: metric 'steerability/humor/spearman' names no attribute of "
        "this run (helpfulness)"
    )


def test_a_label_mapped_to_no_attribute_is_bad_config(tmp_path):
    source = Source(name="hs", labels=(LabelSource(from_name="helpfulness", to="wit"),))
    assert refusal(tmp_path, BadConfigError, source=source) == (
        "source hs: spec.data...labels: to: wit names no attribute; known: helpfulness"
    )


def test_a_source_must_have_an_address_and_a_name_of_its_own(tmp_path):
    assert refusal(tmp_path, BadConfigError, source_uris={}) == (
        "execution.prepare.sourceUris: source 'hs' has no address"
    )
    assert refusal(tmp_path, BadConfigError, source=Source(name="model")) == (
        "spec.data: source name 'model' means something else here; give it another name"
    )
