"""Artifacts of random tiny models and a few conversations: enough to run a stage, in a second."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from transformers import LlamaModel

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import Execution, StageConfig, StageInput, artifact_uri
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    PrepareRecipe,
    SampleRecipe,
    TrainAcsftRecipe,
    TrainApmRecipe,
    Training,
)
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.models.apm import Apm, save_head
from steerlm_jobs.models.steerlm_json import write_steerlm_json
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.artifacts import ArtifactWriter
from steerlm_jobs.store.jsonl import write_jsonl
from tests.unit.generate.tiny import a_config, a_model, letter_tokenizer

SCHEMA = Schema((Attribute(name="quality"), Attribute(name="humor", max=2)))
TARGETS = {"quality": 4, "humor": 0}
TRAINING = Training(learning_rate=1e-3, weight_decay=0.0, epochs=1)
SPLITS = ("labelled.train", "unlabelled.train", "labelled.validation", "unlabelled.validation")


class StopAfter(StopFlag):
    """A wish to stop that comes when the stage has looked for it so many times."""

    def __init__(self, num_looks):
        super().__init__()
        self.num_looks = num_looks

    @property
    def is_set(self):
        if not super().is_set:
            self.num_looks -= 1
        return super().is_set or self.num_looks < 0


class TinyRun:
    """A workdir whose earlier stages exist."""

    def __init__(self, folder: Path):
        self.folder = folder

    def config(self, stage, recipe, inputs=(), **execution):
        fields = {"run_uid": "0123456789", "attempt": 1} | execution
        return StageConfig(
            stage=stage,
            recipe=recipe,
            inputs=tuple(inputs),
            execution=Execution(prefix=str(self.folder), **fields),
        )

    def context(self, config, stop=None):
        scratch = self.folder / "scratch" / config.execution.writer
        return StageContext(config, scratch, stop=stop or StopFlag())

    def as_input(self, config, digest):
        iteration = getattr(config.recipe, "iteration", 0)
        uri = artifact_uri(str(self.folder), config.kind, config.fingerprint)
        return StageInput(
            stage=config.stage,
            kind=config.kind,
            iteration=iteration,
            uri=uri,
            fingerprint=config.fingerprint,
            digest=digest,
        )

    def prepared(self, rows, prompts=()):
        """Seal prepare's content: rows by split name, prompts as texts or conversations."""
        config = self.config("prepare", PrepareRecipe(attributes=SCHEMA.attributes))
        writer = self._writer(config)
        for name in SPLITS:
            of_split = [c.to_json() for c in rows if _file(c) == name]
            write_jsonl(writer.content / f"{name}.jsonl.zst", of_split)
        asked = (
            prompt if isinstance(prompt, Conversation) else a_conversation(f"p{i}", prompt)
            for i, prompt in enumerate(prompts)
        )
        write_jsonl(
            writer.content / "evaluation_prompts.jsonl", (prompt.to_json() for prompt in asked)
        )
        _save(a_model(9), writer.content / "base_model")
        _json(writer.content / "schema.json", SCHEMA.to_json())
        histogram = {"train": {"quality": {"histogram": {"0": 1, "4": 3}}}}
        sources = {"labelled": {"licence": "MIT"}, "unlabelled": {"licence": ""}}
        statistics = {"attributes": histogram, "sources": sources}
        _json(writer.content / "statistics.json", statistics)
        return self.as_input(config, writer.commit().digest)

    def annotated(self, rows=()):
        """Seal annotated conversations; by default eight answers with three combinations."""
        config = self.config("annotate", AnnotateRecipe())
        writer = self._writer(config)
        rows = rows or [
            a_conversation(f"a{i}", "Q?", "A.", labels=[{"quality": q, "humor": h}])
            for i, (q, h) in enumerate([(4, 0)] * 4 + [(4, 2)] * 3 + [(1, 2)])
        ]
        write_jsonl(writer.content / "chunks/000000000.jsonl.zst", (row.to_json() for row in rows))
        return self.as_input(config, writer.commit().digest)

    def apm(self, stage="train-apm", seed=3, **more):
        """Seal an APM with random weights whose scores spread over the scales.

        `more` stands in its steerlm.json.
        """
        config = self.config(stage, TrainApmRecipe(training=TRAINING, seed=seed))
        writer = self._writer(config)
        torch.manual_seed(seed)
        model = Apm(LlamaModel(a_config()), len(SCHEMA.names))
        torch.nn.init.normal_(model.head.weight, std=0.12)
        torch.nn.init.constant_(model.head.bias, 0.5)
        _save(model.backbone, writer.content)
        save_head(model.head, writer.content)
        write_steerlm_json(writer.content, "apm", SCHEMA, {}, **more)
        figure = ApmFigures(
            pearson=MetricValue(value=0.5, lower=0.4, upper=0.6),
            mae=MetricValue(value=1.0),
            constant_mean_mae=1.1,
            num_labels=9,
            num_distinct_levels=3,
        ).model_dump(mode="json", by_alias=True)
        _json(writer.content / "training.json", _history(figures={"quality": figure}))
        return self.as_input(config, writer.commit().digest)

    def generative_apm(self):
        """Seal an APM with random weights that writes label text."""
        recipe = TrainApmRecipe(form="Generative", training=TRAINING)
        config = self.config("train-apm", recipe)
        writer = self._writer(config)
        _save(a_model(3), writer.content)
        groups = [["quality"], ["humor"]]
        write_steerlm_json(writer.content, "apm", SCHEMA, {}, form="Generative", groups=groups)
        _json(writer.content / "training.json", _history(figures={}))
        return self.as_input(config, writer.commit().digest)

    def acsft(self, iteration=0, seed=0, labels="Annotated"):
        """Seal a random model that stops now and then."""
        recipe = TrainAcsftRecipe(
            training=TRAINING,
            targets=TARGETS,
            callers_may_set=SCHEMA.names,
            iteration=iteration,
            labels=labels,
        )
        baselines = {"None": "train-plain", "Permuted": "train-permuted"}
        stage = f"train-acsft-{iteration}" if iteration else baselines.get(labels, "train-acsft")
        schema = Schema(()) if labels == "None" else SCHEMA
        config = self.config(stage, recipe)
        writer = self._writer(config)
        _save(a_model(seed), writer.content)
        more = {
            "targets": TARGETS,
            "callersMaySet": ["quality"],
            "levelCounts": {"quality": {"0": 2, "4": 60}, "humor": {"0": 9}},
            "untrainedLevels": {"quality": [0, 1]},
            "systemPrompt": "S",
        }
        write_steerlm_json(writer.content, "acsft", schema, {}, **more)
        _json(writer.content / "training.json", _history())
        return self.as_input(config, writer.commit().digest)

    def sampled(self, samples):
        """Seal samples of iteration 1."""
        config = self.config("sample-1", SampleRecipe(iteration=1))
        writer = self._writer(config)
        rows = (sample.to_json() for sample in samples)
        write_jsonl(writer.content / "chunks/000000000.jsonl.zst", rows)
        _json(writer.content / "summary.json", {"licences": {"labelled": "MIT"}})
        return self.as_input(config, writer.commit().digest)

    def _writer(self, config):
        return ArtifactWriter(config, self.folder / "scratch" / config.stage)


def a_conversation(name, *texts, labels=(), source="labelled", **fields):
    """Return a conversation of alternating turns; `labels` are those of its answers."""
    remaining = iter(labels)
    turns = tuple(
        Turn(Role.ASSISTANT, text, labels=next(remaining, {})) if i % 2 else Turn(Role.USER, text)
        for i, text in enumerate(texts)
    )
    return Conversation(name, source, name, "S", turns, **fields)


def with_labels(conversation, *labels):
    """Return an annotated conversation: labels of each answer, in order."""
    remaining = iter(labels)
    turns = tuple(
        replace(t, labels=next(remaining)) if t.role is Role.ASSISTANT else t
        for t in conversation.turns
    )
    return replace(conversation, turns=turns)


def content(source, name):
    """Return the path of a content file of an artifact."""
    manifest = json.loads(Path(source.uri, "manifest.json").read_text())
    (path,) = [f["path"] for f in manifest["files"] if f["name"] == name]
    return Path(source.uri, path)


def _file(conversation):
    return f"{conversation.source}.{conversation.split}"


def _save(model, folder):
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    letter_tokenizer().save(str(folder / "tokenizer.json"))


def _json(file, value):
    file.write_text(json.dumps(value, sort_keys=True))


def _history(**more):
    validation = [{"step": 1, "loss": 1.5}, {"step": 2, "loss": 1.4}]
    return {"loss": [2.0, 1.5], "validation": validation, "bestStep": 2, **more}
