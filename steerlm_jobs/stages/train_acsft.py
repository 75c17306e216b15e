"""train-acsft: learn to answer as labels ask (arXiv:2310.05344, steps 3 and 4).

From the base model, never from the APM; in a bootstrap iteration on samples mixed with originals,
from the base or the model before. Best weights by validation loss, or by the quality of answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import torch

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainAcsftRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.chat_template import chat_template
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.dataset_card import prepared_licences
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.evaluation.answer_quality import (
    ATTRIBUTE,
    AnswerQuality,
    quality_prompts,
    score_by_apm,
)
from steerlm_jobs.evaluation.prompts import num_never_chosen_by
from steerlm_jobs.models.loading import (
    best_device,
    copy_legal_files,
    input_rows,
    load_causal_lm,
    load_tokenizer,
    save_model,
)
from steerlm_jobs.models.lora import add_adapters, merged, save_adapter, trained_parameters
from steerlm_jobs.models.model_card import CardFacts, write_model_card
from steerlm_jobs.models.steerlm_json import load_schema_file, write_steerlm_json
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.train.acsft_data import (
    AcsftRows,
    RowReader,
    chosen_originals,
    level_counts,
    num_originals,
    untrained_levels,
)
from steerlm_jobs.train.engine import Engine, ParameterGroup
from steerlm_jobs.train.engine_choice import chosen_engine
from steerlm_jobs.train.objectives import AcsftExample, AcsftObjective
from steerlm_jobs.train.permuted_labels import label_rows, with_permuted_labels
from steerlm_jobs.train.session import (
    Data,
    Trained,
    copy_curves,
    planned_steps,
    run_training,
    write_training,
)
from steerlm_jobs.train.setting import (
    check_length,
    live_dtype,
    stored_dtype,
    use_deterministic,
)

SAMPLES: str = "samples"
"""What the samples of a bootstrap iteration are called among the sources."""


@dataclass(frozen=True, slots=True)
class _Inputs:
    start: Path
    """The folder from which the weights come."""
    tokenizer: ChatTokenizer
    schema: Schema
    training_rows: AcsftRows
    validation_rows: AcsftRows
    licences: Mapping[str, str]
    """Of each data source."""


def run(context: StageContext) -> Report:
    """Train the ACSFT model and seal it.

    Raises:
        BadInputError: No conversation fits, or no sample was kept.
        BadConfigError: Length or budget cannot be.
        DivergedError: Loss or gradient was not finite three times in a row.
        InterruptedStageError: Asked to stop; a checkpoint was written.
    """
    recipe = _recipe(context)
    training = recipe.training
    use_deterministic(training)
    context.progress.update(activity="reading")
    inputs = _inputs(context, recipe)
    data = Data(inputs.training_rows.examples, inputs.validation_rows.examples)
    steps = planned_steps(data, training, recipe.seed, recipe.source_weights)
    model = _untrained(inputs, recipe)
    groups = [ParameterGroup(trained_parameters(model), training.learning_rate)]
    engine = chosen_engine(model, groups, training, context)
    objective = AcsftObjective(model)
    quality = _quality(context, recipe, inputs, model, engine)
    trained = run_training(data, steps, training, recipe.seed, objective, engine, context, quality)
    if quality is not None and data.validation and not trained.history.quality:
        context.notes.add("no answer could be scored for bestBy Quality: the last weights are kept")
    with engine.whole():
        if context.ranks.rank:  # rank 0 alone writes
            return Report(exit_code=ExitCode.OK, fingerprint=context.config.fingerprint)
        return _sealed(context, recipe, inputs, data, model, trained)


def _sealed(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    inputs: _Inputs,
    data: Data[AcsftExample],
    model: TargetLogits,
    trained: Trained,
) -> Report:
    writer = ArtifactWriter(context.config, context.scratch)
    copy_curves(context, writer.telemetry)
    _write_model(writer.content, model, inputs, recipe, context)
    mixture = dict(sorted(Counter(example.source for example in data.training).items()))
    dropped = inputs.training_rows.dropped
    write_training(writer.content, data, trained, dropped=dropped, mixture=mixture)
    metrics = {**trained.metrics, "examples": str(len(data.training))}
    if recipe.iteration:
        metrics |= {SAMPLES: str(mixture[SAMPLES])}
        metrics |= {"originals": str(len(data.training) - mixture[SAMPLES])}
    epochs = trained.effective_epochs
    metrics |= {f"effectiveEpochs/{name}": f"{seen:g}" for name, seen in epochs.items()}
    write_model_card(
        writer.content, "acsft", _card(inputs, recipe, data.sources, metrics), base=inputs.start
    )
    sealed = writer.commit()
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=sealed.digest,
        metrics=metrics,
    )


def _recipe(context: StageContext) -> TrainAcsftRecipe:
    recipe = context.config.recipe
    if not isinstance(recipe, TrainAcsftRecipe):
        msg = f"train-acsft was given a recipe of kind {recipe.kind}"
        raise TypeError(msg)
    return recipe


def _inputs(context: StageContext, recipe: TrainAcsftRecipe) -> _Inputs:
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    prepared_reader = ArtifactReader.open(prepared, context.scratch)
    schema = load_schema_file(prepared_reader.file("schema.json"))
    if recipe.labels == "None":
        schema = Schema(())  # answers without a label line: plain supervised fine-tuning
    previous = context.config.inputs_of(StageKind.TRAIN_ACSFT)
    if recipe.init_from == "Previous" and previous:
        start = ArtifactReader.open(previous[-1], context.scratch).folder()
    else:
        start = prepared_reader.folder("base_model")
    check_length(start, recipe.training)
    tokenizer = ChatTokenizer.from_folder(start)
    reader = RowReader(tokenizer, schema, recipe.targets, recipe.training.max_length_tokens)
    training_rows, validation_rows = _rows(context, recipe, reader)
    if training_rows.dropped:
        context.notes.add(
            f"{training_rows.dropped} conversations dropped: the last question and answer are "
            f"longer than {recipe.training.max_length_tokens} tokens, or there is no answer"
        )
    if not validation_rows.examples:
        context.notes.add("the validation split is empty: the last weights are kept")
    licences = prepared_licences(prepared_reader)
    return _Inputs(start, tokenizer, schema, training_rows, validation_rows, licences)


def _rows(
    context: StageContext, recipe: TrainAcsftRecipe, reader: RowReader
) -> tuple[AcsftRows, AcsftRows]:
    """Return the rows to learn from, and those to validate on: always annotated originals."""
    annotated, *sampled = context.config.inputs_of(StageKind.ANNOTATE)
    training_rows, validation_rows = AcsftRows(), AcsftRows()
    if not recipe.iteration:
        for rows, split in ((training_rows, "train"), (validation_rows, "validation")):
            reader.add(rows, _originals(context, recipe, reader.schema, annotated, split))
        return training_rows, validation_rows
    reader.add(validation_rows, _conversations(context, annotated, "validation"))
    for source in sampled[-1:]:
        samples = (c for c in _conversations(context, source, "train") if c.kept)
        reader.add(training_rows, samples, SAMPLES)
    if not training_rows.examples:
        raise BadInputError(
            "no sample of this iteration can be trained on; raise bootstrap.maxPrompts or "
            "bootstrap.maxNewTokens, or set bootstrap.iterations to 0"
        )
    _add_originals(context, recipe, reader, annotated, training_rows)
    return training_rows, validation_rows


def _add_originals(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    reader: RowReader,
    annotated: StageInput,
    rows: AcsftRows,
) -> None:
    """Add a seeded choice of annotated originals to the samples."""
    num_available = sum(1 for _ in _conversations(context, annotated, "train"))
    num_samples = len(rows.examples)
    num_wanted = num_originals(num_samples, num_available, recipe.original_fraction)
    chosen = chosen_originals(num_available, num_wanted, recipe.seed)
    places = (place in chosen for place in range(num_available))
    reader.add(rows, compress(_conversations(context, annotated, "train"), places))
    num_added = len(rows.examples) - num_samples  # some of those wanted may be too long
    reached = num_added / len(rows.examples)
    if reached < recipe.original_fraction - 0.01:
        context.notes.add(
            f"originals are {reached:.2f} of the mixture, not {recipe.original_fraction:.2f}: "
            f"there are {num_available}, and {num_wanted - num_added} of those drawn are too long"
        )


def _originals(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    schema: Schema,
    annotated: StageInput,
    split: str,
) -> Iterator[Conversation]:
    """Yield annotated conversations; those of the permuted baseline with labels of others."""
    conversations = _conversations(context, annotated, split)
    if recipe.labels != "Permuted":
        return conversations
    rows = label_rows(_conversations(context, annotated, split), schema)
    return with_permuted_labels(conversations, rows, schema, recipe.seed)


def _conversations(context: StageContext, source: StageInput, split: str) -> Iterator[Conversation]:
    reader = ArtifactReader.open(source, context.scratch)
    rows = (Conversation.from_json(row) for row in reader.rows("chunks/"))
    return (conversation for conversation in rows if conversation.split == split)


def _untrained(inputs: _Inputs, recipe: TrainAcsftRecipe) -> TargetLogits:
    model = load_causal_lm(inputs.start, live_dtype(recipe.training))
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        add_adapters(model, recipe.training.lora, markers, recipe.seed)
    return TargetLogits(model).to(best_device())


def _quality(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    inputs: _Inputs,
    live: TargetLogits,
    engine: Engine,
) -> AnswerQuality | None:
    """Return what checkpoints are chosen by; None: their validation loss.

    Raises:
        BadConfigError: The run has no such attribute, or prepare left it out.
    """
    training = recipe.training
    if training.best_by != "Quality":
        return None
    if ATTRIBUTE not in inputs.schema.names:
        msg = f"bestBy Quality needs the attribute {ATTRIBUTE}; known: {inputs.schema.names}"
        raise BadConfigError(msg)
    (apm,) = context.config.inputs_of(StageKind.TRAIN_APM)
    validation = _conversations(
        context, context.config.inputs_of(StageKind.ANNOTATE)[0], "validation"
    )
    asked = _asked(context)
    prompts = quality_prompts(validation, asked, training.best_by_prompts, recipe.seed)
    unseen = num_never_chosen_by(asked, prompts, recipe.seed)
    if unseen < len(asked):
        context.notes.add(
            f"bestBy Quality takes prompts that evaluate asks if promptsPerLevel is above {unseen};"
            " give data.evaluationPrompts or hold out more"
        )
    return AnswerQuality(
        model=live.model,
        tokenizer=inputs.tokenizer,
        schema=inputs.schema,
        targets=recipe.targets,
        prompts=prompts,
        score=score_by_apm(ArtifactReader.open(apm, context.scratch).folder()),
        training=training,
        precision=engine.precision,
    )


def _asked(context: StageContext) -> list[Conversation]:
    """Return the prompts from which evaluate takes its own."""
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    rows = ArtifactReader.open(prepared, context.scratch).rows("evaluation_prompts.")
    return [Conversation.from_json(row) for row in rows]


def _write_model(
    folder: Path,
    live: TargetLogits,
    inputs: _Inputs,
    recipe: TrainAcsftRecipe,
    context: StageContext,
) -> None:
    context.progress.update(activity="saving")
    model = live.model
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        save_adapter(model, folder)
        trained = trained_parameters(model)
        fresh = load_causal_lm(inputs.start, torch.float32)
        model = merged(fresh, recipe.training.lora, markers, trained)
    system = inputs.training_rows.systems.most_common(1)[0][0]
    tokenizer = load_tokenizer(inputs.start)
    tokenizer.chat_template = chat_template(
        inputs.schema, recipe.targets, system=system, adds_bos=bool(inputs.tokenizer.bos_ids)
    )
    ends = [inputs.tokenizer.stop_id, *inputs.tokenizer.eos_ids]
    model.generation_config.eos_token_id = ends
    # So that plain `generate` says what our own engine does
    num_rows = input_rows(model).weight.shape[0]
    model.generation_config.suppress_tokens = inputs.tokenizer.never_sampled(num_rows)
    save_model(model, folder, tokenizer, stored_dtype(inputs.start))
    copy_legal_files(inputs.start, folder)
    _write_description(folder, inputs, recipe, context, system)


def _card(
    inputs: _Inputs, recipe: TrainAcsftRecipe, sources: Sequence[str], figures: Mapping[str, str]
) -> CardFacts:
    """Return what the model card says; `SAMPLES` are no source with a licence of its own."""
    licences = {**inputs.licences, SAMPLES: "that of the sources: a model's answers to them"}
    untrained = _untrained_levels(inputs, recipe)
    limits = (f"Not trained, having fewer than {recipe.min_level_examples} examples: {untrained}.",)
    return CardFacts(
        inputs.schema,
        {name: licences[name] for name in sources},
        figures,
        limits if untrained else (),
    )


def _untrained_levels(inputs: _Inputs, recipe: TrainAcsftRecipe) -> str:
    """Return `humor 3, 4; quality 0`: what too few training examples carried."""
    counts = level_counts(inputs.training_rows.levels, inputs.schema)
    untrained = untrained_levels(counts, recipe.min_level_examples)
    return "; ".join(f"{n} {', '.join(map(str, ls))}" for n, ls in untrained.items())


def _write_description(
    folder: Path,
    inputs: _Inputs,
    recipe: TrainAcsftRecipe,
    context: StageContext,
    system: str,
) -> None:
    counts = level_counts(inputs.training_rows.levels, inputs.schema)
    untrained = untrained_levels(counts, recipe.min_level_examples)
    if untrained:
        context.notes.add(
            f"levels with fewer than {recipe.min_level_examples} training examples are not "
            f"trained: {_untrained_levels(inputs, recipe)}"
        )
    write_steerlm_json(
        folder,
        "acsft",
        inputs.schema,
        context.config.input_refs,
        systemPrompt=system,
        targets=recipe.targets,
        callersMaySet=list(recipe.callers_may_set),
        minLevelExamples=recipe.min_level_examples,
        levelCounts=counts,
        untrainedLevels=untrained,
    )
