"""A prepared dataset and its annotation, sealed as artifacts, for the training stages."""

from dataclasses import replace
from pathlib import Path

from steerlm_jobs.contract.config import Execution, StageConfig, StageInput, artifact_uri
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    PrepareRecipe,
    Recipe,
    TrainAcsftRecipe,
    TrainApmRecipe,
)
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.models.loading import save_model
from steerlm_jobs.models.marking import write_marked_model
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactWriter
from steerlm_jobs.store.jsonl import write_json, write_jsonl
from tests.unit.models.builders import a_model, an_unmarked_tokenizer
from tests.unit.template.builders import SCHEMA, TARGETS, assistant, user
from tests.unit.train.builders import a_training


def conversations(n: int, split: str) -> list[Conversation]:
    """Return conversations whose answers say their labels."""
    made = []
    for place in range(n):
        quality, humor = place % 5, place % 11 - 1
        answer = " ".join(["so red"] * (1 + quality) + ["ha"] * (1 + max(0, humor)))
        turns = (user(f"Why {place}?"), assistant(answer, quality=quality, humor=humor))
        made.append(Conversation(f"{split}{place}", "s", f"g{place}", "Be helpful.", turns, split))
    return made


class TrainWorld:
    """A store with the results of prepare and annotate, and the stages that read them."""

    def __init__(self, folder: Path, *, is_tied: bool = False) -> None:
        self._folder = folder
        self._prefix = str(folder / "store")
        base = folder / "base"
        model = a_model(num_rows=400, is_tied=is_tied)
        save_model(model, base, an_unmarked_tokenizer(), model.dtype)
        (base / "README.md").write_text("---\nlicense: apache-2.0\n---\nA model.\n")
        (base / "LICENSE").write_text("Apache License")
        (base / "NOTICE").write_text("by somebody")
        self.prepared = self._prepared(base)
        rows = [*conversations(60, "train"), *conversations(12, "validation")]
        recipe = AnnotateRecipe()
        self.annotated = self._sealed("annotate", recipe, rows, (self.prepared,))
        samples = [replace(c, requested=TARGETS, rank=1) for c in conversations(20, "train")]
        samples[3] = replace(samples[3], kept=False)
        self.samples = self._sealed(
            "annotate-1", AnnotateRecipe(iteration=1), samples, (self.annotated,)
        )

    def context(
        self, stage: str, recipe: Recipe, inputs: tuple[StageInput, ...], **execution
    ) -> StageContext:
        fields = {"prefix": self._prefix, "run_uid": "u1234567", "attempt": 1, **execution}
        config = StageConfig(
            stage=stage, recipe=recipe, inputs=inputs, execution=Execution(**fields)
        )
        scratch = self._folder / "scratch" / f"{stage}-{fields['attempt']}"
        scratch.mkdir(parents=True, exist_ok=True)
        return StageContext(config, scratch)

    def apm(self, **training) -> tuple[str, Recipe, tuple[StageInput, ...]]:
        recipe = TrainApmRecipe(training=a_training(max_length_tokens=128, **training))
        return "train-apm", recipe, (self.prepared,)

    def generative_apm(self, **training) -> tuple[str, Recipe, tuple[StageInput, ...]]:
        stage, recipe, inputs = self.apm(**training)
        return stage, recipe.model_copy(update={"form": "Generative"}), inputs

    def acsft(self, **training) -> tuple[str, Recipe, tuple[StageInput, ...]]:
        recipe = TrainAcsftRecipe(
            training=a_training(max_length_tokens=128, **training),
            targets=TARGETS,
            callers_may_set=("humor",),
            min_level_examples=6,
        )
        return "train-acsft", recipe, (self.prepared, self.annotated)

    def iteration(
        self, previous: StageInput, **recipe
    ) -> tuple[str, Recipe, tuple[StageInput, ...]]:
        made = TrainAcsftRecipe(
            iteration=1,
            training=a_training(max_length_tokens=128),
            targets=TARGETS,
            callers_may_set=(),
            init_from="Previous",
            **recipe,
        )
        return "train-acsft-1", made, (self.prepared, self.annotated, self.samples, previous)

    def sealed_input(self, context: StageContext, digest: str) -> StageInput:
        config = context.config
        return StageInput(
            stage=config.stage,
            kind=config.kind,
            iteration=getattr(config.recipe, "iteration", 0),
            uri=artifact_uri(self._prefix, config.kind, config.fingerprint),
            fingerprint=config.fingerprint,
            digest=digest,
        )

    def content(self, source: StageInput) -> Path:
        """Return the content folder of a sealed result."""
        (folder,) = Path(source.uri).glob("attempts/*/content")
        return folder

    def _prepared(self, base: Path) -> StageInput:
        context = self.context("prepare", PrepareRecipe(attributes=SCHEMA.attributes), ())
        writer = ArtifactWriter(context.config, context.scratch)
        write_marked_model(base, writer.content / "base_model")
        write_json(writer.content / "schema.json", SCHEMA.to_json())
        write_json(writer.content / "statistics.json", {"sources": {"s": {"licence": "MIT"}}})
        for split, n in (("train", 60), ("validation", 12)):
            rows = (c.to_json() for c in conversations(n, split))
            write_jsonl(writer.content / f"labelled.{split}.jsonl.zst", rows)
        return self.sealed_input(context, writer.commit().digest)

    def _sealed(
        self,
        stage: str,
        recipe: AnnotateRecipe,
        rows: list[Conversation],
        inputs: tuple[StageInput, ...],
    ) -> StageInput:
        context = self.context(stage, recipe, inputs)
        assert context.config.kind is StageKind.ANNOTATE
        writer = ArtifactWriter(context.config, context.scratch)
        write_jsonl(writer.content / "chunks/000000000.jsonl.zst", (c.to_json() for c in rows))
        return self.sealed_input(context, writer.commit().digest)
