"""A run of one bootstrap iteration as artifacts that hold what a test gives them."""

import json
import shutil
from pathlib import Path

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import Execution, StageConfig, StageInput, artifact_uri
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    PrepareRecipe,
    SampleRecipe,
    TrainAcsftRecipe,
    TrainApmRecipe,
    Training,
)
from steerlm_jobs.store.artifacts import ArtifactWriter
from steerlm_jobs.store.jsonl import write_jsonl

TRAINING = Training(learning_rate=1e-3, weight_decay=0, epochs=1)
ACSFT = TrainAcsftRecipe(training=TRAINING, targets={"quality": 4}, callers_may_set=())
AGAIN = ACSFT.model_copy(update={"iteration": 1})
GRAPH = {
    "prepare": (PrepareRecipe(attributes=(Attribute(name="quality"),)), ()),
    "train-apm": (TrainApmRecipe(training=TRAINING), ("prepare",)),
    "annotate": (AnnotateRecipe(), ("prepare", "train-apm")),
    "train-acsft": (ACSFT, ("prepare", "annotate")),
    "sample-1": (SampleRecipe(iteration=1), ("annotate", "train-acsft")),
    "annotate-1": (AnnotateRecipe(iteration=1), ("train-apm", "sample-1")),
    "train-acsft-1": (AGAIN, ("prepare", "annotate", "annotate-1", "train-acsft")),
}


class Lineage:
    """Seals the stages of the graph; `more` adds stages, `files` content by stage and name."""

    def __init__(self, folder: Path, files=None, more=None):
        self.prefix, self.scratch = str(folder / "run"), folder / "scratch"
        self.sealed: dict[str, StageInput] = {}
        for stage, (recipe, inputs) in (GRAPH | (more or {})).items():
            self._seal(stage, recipe, inputs, (files or {}).get(stage, {}))

    def inputs(self, *stages):
        return tuple(self.sealed[stage] for stage in stages)

    def delete(self, stage):
        shutil.rmtree(self.sealed[stage].uri)

    def _seal(self, stage, recipe, inputs, files):
        config = StageConfig(
            stage=stage,
            recipe=recipe,
            inputs=self.inputs(*inputs),
            execution=Execution(prefix=self.prefix, run_uid="0123456789", attempt=1),
        )
        writer = ArtifactWriter(config, self.scratch / stage)
        (writer.content / "name.txt").write_text(stage)
        for name, value in files.items():
            (writer.content / name).parent.mkdir(exist_ok=True)
            if isinstance(value, list):
                write_jsonl(writer.content / name, value)
            else:
                (writer.content / name).write_text(json.dumps(value))
        self.sealed[stage] = StageInput(
            stage=stage,
            kind=config.kind,
            iteration=getattr(recipe, "iteration", 0),
            uri=artifact_uri(self.prefix, config.kind, config.fingerprint),
            fingerprint=config.fingerprint,
            digest=writer.commit(notes=(f"{stage} noted this",)).digest,
        )
