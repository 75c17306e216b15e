"""train-acsft: learn to answer as labels ask (arXiv:2310.05344, steps 3 and 4).

From the base model, never from the APM; in a bootstrap iteration on samples mixed with originals,
from the base or the model before. Best weights by validation loss, or by the quality of answers.
"""

from collections import Counter

from steerlm_jobs.contract.errors import BadConfigError, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainAcsftRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.evaluation.answer_quality import (
    ATTRIBUTE,
    AnswerQuality,
    quality_prompts,
    score_by_apm,
)
from steerlm_jobs.evaluation.prompts import num_never_chosen_by
from steerlm_jobs.models.loading import best_device, load_causal_lm
from steerlm_jobs.models.lora import add_adapters, trained_parameters
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.train.acsft_folder import write_acsft_card, write_acsft_model
from steerlm_jobs.train.acsft_inputs import (
    SAMPLES,
    AcsftInputs,
    annotated_conversations,
    read_inputs,
)
from steerlm_jobs.train.engine import Engine, ParameterGroup
from steerlm_jobs.train.engine_choice import chosen_engine
from steerlm_jobs.train.objectives import AcsftExample, AcsftObjective
from steerlm_jobs.train.session import (
    Data,
    Trained,
    copy_curves,
    planned_steps,
    run_training,
    write_training,
)
from steerlm_jobs.train.setting import live_dtype, use_deterministic


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
    inputs = read_inputs(context, recipe)
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
    inputs: AcsftInputs,
    data: Data[AcsftExample],
    model: TargetLogits,
    trained: Trained,
) -> Report:
    writer = ArtifactWriter(context.config, context.scratch)
    copy_curves(context, writer.telemetry)
    write_acsft_model(writer.content, model, inputs, recipe, context)
    mixture = dict(sorted(Counter(example.source for example in data.training).items()))
    dropped = inputs.training_rows.dropped
    write_training(writer.content, data, trained, dropped=dropped, mixture=mixture)
    metrics = {**trained.metrics, "examples": str(len(data.training))}
    if recipe.iteration:
        metrics |= {SAMPLES: str(mixture[SAMPLES])}
        metrics |= {"originals": str(len(data.training) - mixture[SAMPLES])}
    epochs = trained.effective_epochs
    metrics |= {f"effectiveEpochs/{name}": f"{seen:g}" for name, seen in epochs.items()}
    write_acsft_card(writer.content, inputs, recipe, data.sources, metrics)
    sealed = writer.commit(notes=context.notes.lines)
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


def _untrained(inputs: AcsftInputs, recipe: TrainAcsftRecipe) -> TargetLogits:
    model = load_causal_lm(inputs.start, live_dtype(recipe.training))
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        add_adapters(model, recipe.training.lora, markers, recipe.seed)
    return TargetLogits(model).to(best_device())


def _quality(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    inputs: AcsftInputs,
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
    validation = annotated_conversations(
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
