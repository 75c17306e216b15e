"""train-apm: learn what people's labels mean (arXiv:2310.05344, step 1; regression form).

Base model -> backbone and head, trained on every labelled answer; best weights by validation loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainApmRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.apm import Apm, save_head
from steerlm_jobs.models.loading import (
    best_device,
    copy_legal_files,
    load_backbone,
    load_tokenizer,
    save_model,
)
from steerlm_jobs.models.lora import add_adapters, merged, save_adapter, trained_parameters
from steerlm_jobs.models.model_card import write_model_card
from steerlm_jobs.models.steerlm_json import load_schema_file, write_steerlm_json
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.train.apm_data import ApmRows, apm_rows, mean_labels
from steerlm_jobs.train.apm_figures import attribute_figures
from steerlm_jobs.train.batches import Layout, micro_batches
from steerlm_jobs.train.engine import ParameterGroup, PlainEngine
from steerlm_jobs.train.objectives import ApmExample, ApmObjective
from steerlm_jobs.train.session import Data, planned_steps, run_training, write_training
from steerlm_jobs.train.setting import (
    check_length,
    live_dtype,
    stored_dtype,
    use_deterministic,
)


@dataclass(frozen=True, slots=True)
class _Inputs:
    base: Path
    tokenizer: ChatTokenizer
    schema: Schema
    training_rows: ApmRows
    validation_rows: ApmRows


def run(context: StageContext) -> Report:
    """Train the APM and seal it.

    Raises:
        BadInputError: No labelled answer fits.
        BadConfigError: Length or budget cannot be.
        DivergedError: Loss or gradient was not finite three times in a row.
        InterruptedStageError: Asked to stop; a checkpoint was written.
    """
    recipe = _recipe(context)
    use_deterministic(recipe.training)
    context.progress.update(activity="reading")
    inputs = _inputs(context, recipe)
    data = Data(inputs.training_rows.examples, inputs.validation_rows.examples)
    steps = planned_steps(data, recipe.training, recipe.seed)
    means_A = mean_labels(data.training, len(inputs.schema.names))
    apm = _untrained(inputs, recipe, means_A)
    engine = PlainEngine(apm, _groups(apm, recipe), recipe.training)
    objective = ApmObjective(apm)
    writer = ArtifactWriter(context.config, context.scratch)
    curves = writer.telemetry / "curves.jsonl"
    trained = run_training(
        data, steps, recipe.training, recipe.seed, objective, engine, context, curves
    )
    figures = _figures(objective, data.validation, trained.layout, engine, inputs.schema, means_A)
    _write_model(writer.content, apm, inputs, recipe, context)
    written = {name: f.model_dump(mode="json", by_alias=True) for name, f in figures.items()}
    dropped = inputs.training_rows.dropped
    write_training(writer.content, data, trained, dropped=dropped, figures=written)
    metrics = {**trained.metrics, **_pearsons(figures)}
    write_model_card(writer.content, "apm", inputs.schema, data.sources, metrics)
    sealed = writer.commit()
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=sealed.digest,
        metrics=metrics,
    )


def _recipe(context: StageContext) -> TrainApmRecipe:
    recipe = context.config.recipe
    if not isinstance(recipe, TrainApmRecipe):
        msg = f"train-apm was given a recipe of kind {recipe.kind}"
        raise TypeError(msg)
    return recipe


def _inputs(context: StageContext, recipe: TrainApmRecipe) -> _Inputs:
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    reader = ArtifactReader.open(prepared, context.scratch)
    base = reader.folder("base_model")
    check_length(base, recipe.training)
    tokenizer = ChatTokenizer.from_folder(base)
    schema = load_schema_file(reader.file("schema.json"))
    longest = recipe.training.max_length_tokens
    training_rows, validation_rows = (
        apm_rows(_conversations(reader, split), tokenizer, schema, longest)
        for split in ("train", "validation")
    )
    if training_rows.dropped["tooLong"]:
        context.notes.add(
            f"{training_rows.dropped['tooLong']} labelled answers dropped: longer than {longest} "
            "tokens with question and system prompt"
        )
    if not validation_rows.examples:
        context.notes.add("no labelled answer in the validation split: the last weights are kept")
    return _Inputs(base, tokenizer, schema, training_rows, validation_rows)


def _conversations(reader: ArtifactReader, split: str) -> Iterator[Conversation]:
    return (Conversation.from_json(row) for row in reader.rows(f"labelled.{split}"))


def _untrained(inputs: _Inputs, recipe: TrainApmRecipe, means_A: Tensor) -> Apm:
    """Return base model and head; the head says the training means, whatever it reads."""
    apm = Apm(load_backbone(inputs.base, live_dtype(recipe.training)), len(means_A))
    with torch.no_grad():
        apm.head.bias.copy_(means_A)
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        add_adapters(apm.backbone, recipe.training.lora, markers, recipe.seed)
    return apm.to(best_device())


def _groups(apm: Apm, recipe: TrainApmRecipe) -> list[ParameterGroup]:
    training = recipe.training
    backbone = {f"backbone.{name}": p for name, p in trained_parameters(apm.backbone).items()}
    head = {f"head.{name}": p for name, p in trained_parameters(apm.head).items()}
    head_rate = training.head_learning_rate or training.learning_rate
    return [ParameterGroup(backbone, training.learning_rate), ParameterGroup(head, head_rate)]


@torch.inference_mode()
def _figures(
    objective: ApmObjective,
    examples: Sequence[ApmExample],
    layout: Layout,
    engine: PlainEngine,
    schema: Schema,
    means_A: Tensor,
) -> dict[str, ApmFigures]:
    """Return the figures of the best weights on the validation rows."""
    scored: list[tuple[ApmExample, list[float]]] = []
    for batch in micro_batches(examples, layout):
        with engine.precision():
            scores_BA = objective.scores(batch, engine.device)
        scored += zip(batch.examples, scores_BA.tolist(), strict=True)
    figures = {}
    for place, attribute in enumerate(schema.attributes):
        known = [
            (scores[place], float(e.labels_A[place])) for e, scores in scored if e.known_A[place]
        ]
        figures[attribute.name] = attribute_figures(
            [score for score, _label in known],
            [label for _score, label in known],
            float(means_A[place]),
            attribute,
        )
    return figures


def _write_model(
    folder: Path, apm: Apm, inputs: _Inputs, recipe: TrainApmRecipe, context: StageContext
) -> None:
    context.progress.update(activity="saving")
    backbone = apm.backbone
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        save_adapter(backbone, folder)
        trained = trained_parameters(backbone)
        fresh = load_backbone(inputs.base, torch.float32)
        backbone = merged(fresh, recipe.training.lora, markers, trained)
    save_model(backbone, folder, load_tokenizer(inputs.base), stored_dtype(inputs.base))
    save_head(apm.head, folder)
    copy_legal_files(inputs.base, folder)
    write_steerlm_json(folder, "apm", inputs.schema, context.config.input_refs)


def _pearsons(figures: dict[str, ApmFigures]) -> dict[str, str]:
    return {
        f"apm/{name}/pearson": f"{figure.pearson.value:.4f}"
        for name, figure in figures.items()
        if figure.pearson.value is not None
    }
