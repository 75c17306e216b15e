from pathlib import Path

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import (
    Execution,
    PlannedStage,
    StageConfig,
    StageInput,
    artifact_uri,
)
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.contract.gates import Gate, MetricValue
from steerlm_jobs.contract.manifest import InputRef
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    EvaluateRecipe,
    PrepareRecipe,
    Recipe,
    TrainApmRecipe,
    Training,
)
from steerlm_jobs.store.artifacts import ArtifactWriter
from steerlm_jobs.store.existing import existing_results

TRAINING = Training(learning_rate=1e-3, weight_decay=0, epochs=1)
PREPARE = PrepareRecipe(attributes=(Attribute(name="quality"),))
GRAPH = (
    PlannedStage(stage="train-apm", recipe=TrainApmRecipe(training=TRAINING), inputs=("prepare",)),
    PlannedStage(stage="annotate", recipe=AnnotateRecipe(), inputs=("prepare", "train-apm")),
    PlannedStage(stage="evaluate", recipe=EvaluateRecipe(targets={}), inputs=("annotate",)),
)
GATES = (Gate(metric="apm/quality/mae", max=1.0), Gate(metric="apm/quality/pearson", min=0.5))
METRICS = {"apm/quality/mae": MetricValue(value=0.7, lower=0.6, upper=0.8)}


class Run:
    """Seals stages one after the other, each from the results before it."""

    def __init__(self, folder: Path) -> None:
        self.prefix, self.scratch = str(folder / "run"), folder / "scratch"
        self.sealed: dict[str, StageInput] = {}

    def seal(self, stage: str, recipe: Recipe, *inputs: str, text: str = "{}") -> InputRef:
        config = StageConfig(
            stage=stage,
            recipe=recipe,
            inputs=tuple(self.sealed[name] for name in inputs),
            execution=Execution(prefix=self.prefix, run_uid="0123456789", attempt=1),
        )
        writer = ArtifactWriter(config, self.scratch)
        (writer.content / "metrics.json").write_text(text)
        digest = writer.commit().digest
        self.sealed[stage] = StageInput(
            stage=stage,
            kind=config.kind,
            uri=artifact_uri(self.prefix, config.kind, config.fingerprint),
            fingerprint=config.fingerprint,
            digest=digest,
        )
        return InputRef(fingerprint=config.fingerprint, digest=digest)

    def seal_graph(self, num_stages: int) -> InputRef:
        own = self.seal("prepare", PREPARE)
        evaluation = Evaluation(
            attributes=("quality",), final_model="m", sweeps=(), metrics=METRICS
        ).model_dump_json(by_alias=True)
        for planned in GRAPH[:num_stages]:
            self.seal(planned.stage, planned.recipe, *planned.inputs, text=evaluation)
        return own


@pytest.mark.parametrize("num_stages", range(4))
def test_results_are_found_as_far_as_they_exist(tmp_path, num_stages):
    run = Run(tmp_path)
    own = run.seal_graph(num_stages)
    found = existing_results(run.prefix, "prepare", own, GRAPH)
    expected = [run.sealed[p.stage] for p in GRAPH[:num_stages]]
    assert found.digests == (*(e.digest for e in expected), *[""] * (3 - num_stages))
    assert found.fingerprints == tuple(e.fingerprint for e in expected)


def test_a_result_made_from_another_result_of_the_same_name_does_not_count(tmp_path):
    run = Run(tmp_path)
    own = run.seal_graph(3)
    other = InputRef(fingerprint=own.fingerprint, digest="another")
    assert existing_results(run.prefix, "prepare", other, GRAPH).digests == ("", "", "")


def test_without_prepares_result_nothing_counts(tmp_path):
    run = Run(tmp_path)
    own = run.seal_graph(3)
    none = InputRef(fingerprint=own.fingerprint, digest="")
    assert existing_results(run.prefix, "prepare", none, GRAPH).digests == ("", "", "")


def test_a_salt_names_another_result_and_so_all_that_follow(tmp_path):
    run = Run(tmp_path)
    own = run.seal_graph(3)
    salted = (GRAPH[0], GRAPH[1].model_copy(update={"salt": "uid-1"}), GRAPH[2])
    found = existing_results(run.prefix, "prepare", own, salted).digests
    assert found == (run.sealed["train-apm"].digest, "", "")


def test_gates_are_held_against_an_evaluation_that_exists(tmp_path):
    run = Run(tmp_path)
    own = run.seal_graph(3)
    existing = existing_results(run.prefix, "prepare", own, GRAPH)
    assert existing.gates(GATES, tmp_path / "s") == ((0.7, True), (None, None, None, False))
    assert existing.gates((), tmp_path / "s") == ()
    assert existing_results(run.prefix, "prepare", own, GRAPH[:2]).gates(GATES, tmp_path) == ()
