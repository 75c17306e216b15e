"""A small run with everything an evaluation can ask for: it ends, and says what it should."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steerlm_jobs.contract.evaluation import Evaluation

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "spec.data.minLabels": 20,
    "spec.data.labelled.oasst.maxConversations": 160,
    "spec.data.labelled.helpsteer.maxConversations": 160,
    "spec.data.unlabelled.hh.maxConversations": 80,
    "spec.stages.trainApm.training.epochs": 1,
    "spec.stages.trainAcsft.training.epochs": 1,
    "spec.stages.evaluate.promptsPerLevel": 6,
    "spec.stages.evaluate.maxNewTokens": 24,
    "spec.stages.evaluate.gates": "[]",
    "spec.stages.evaluate.secondScorer": "OtherHalf",
    "spec.stages.evaluate.baselines": "[PlainSft, PermutedLabels, BaseInWords]",
    "spec.bootstrap.maxPrompts": 12,
    "spec.bootstrap.maxNewTokens": 16,
    "spec.bootstrap.minCount": 1,
    "spec.bootstrap.dropUnfinished": "false",
}

pytestmark = pytest.mark.slow


def test_a_run_with_second_scorer_and_all_baselines_ends_and_asks_its_own_model(
    tmp_path: Path,
) -> None:
    changes = [a for path, value in SETTINGS.items() for a in ("--set", f"{path}={value}")]
    run = str(ROOT / "examples" / "quickstart.yaml")
    done = steerlm("run", run, "--workdir", str(tmp_path / "run"), *changes)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = json.loads((tmp_path / "run" / ".steerlm" / "status.json").read_text())["stages"]
    named = {stage["name"]: stage for stage in stages}
    assert list(named)[-4:] == ["train-judge", "train-plain", "train-permuted", "evaluate"]
    found = evaluation(named["evaluate"])
    assert [model.role.value for model in found.models] == [
        *("Final", "Previous", "PlainSft", "PermutedLabels", "BaseInWords")
    ]
    assert set(found.second_scorer) == set(found.attributes)
    for scorer in ("apm", "other-half"):
        own = [s for s in found.sweeps if s.model == found.final_model and s.scorer == scorer]
        assert {(s.attribute, s.others) for s in own} == {
            (name, others) for name in found.attributes for others in ("Target", "Observed")
        }
    counts = [sum(of_level.values()) for of_level in found.level_counts.values()]
    assert min(counts) > 0
    asked = steerlm("ask", str(tmp_path / "run"), "What is the fox?", "--json")
    assert json.loads(asked.stdout)["asked"] == {}, asked.stdout + asked.stderr


def evaluation(stage: dict[str, Any]) -> Evaluation:
    folder = Path(stage["artifact"]["uri"].removeprefix("file://"))
    files = json.loads((folder / "manifest.json").read_text())["files"]
    path = next(file["path"] for file in files if file["name"] == "metrics.json")
    return Evaluation.model_validate_json((folder / path).read_text())


def steerlm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steerlm_operator.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
