"""train-apm: learn what people's labels mean (arXiv:2310.05344, step 1).

Base model -> regression head or writer of label text (`train.apm_form`), trained on every labelled
answer; best weights by validation loss.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from torch import Tensor

from steerlm_jobs.attributes.histogram_match import level_starts
from steerlm_jobs.attributes.labels import from_unit, quantise
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainApmRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.dataset_card import prepared_licences
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.loading import copy_legal_files
from steerlm_jobs.models.model_card import CardFacts, write_model_card
from steerlm_jobs.models.steerlm_json import load_schema_file, write_steerlm_json
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.train.apm_data import ApmRows, L, mean_labels, reference_rows
from steerlm_jobs.train.apm_figures import attribute_figures
from steerlm_jobs.train.apm_form import ApmForm, ApmStart, LiveApm
from steerlm_jobs.train.engine_choice import chosen_engine
from steerlm_jobs.train.generative_form import GENERATIVE_FORM
from steerlm_jobs.train.label_halves import chosen_half, half_notes
from steerlm_jobs.train.regression_form import REGRESSION_FORM
from steerlm_jobs.train.session import (
    Data,
    Trained,
    copy_curves,
    planned_steps,
    run_training,
    write_training,
)
from steerlm_jobs.train.setting import check_length, use_deterministic


@dataclass(frozen=True, slots=True)
class _Inputs(Generic[L]):
    start: ApmStart
    training_rows: ApmRows[L]
    validation_rows: ApmRows[L]
    licences: Mapping[str, str]
    """Of each data source."""


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
    if recipe.form == "Generative":
        return _run(context, recipe, GENERATIVE_FORM)
    return _run(context, recipe, REGRESSION_FORM)


def _run(context: StageContext, recipe: TrainApmRecipe, form: ApmForm[L]) -> Report:
    context.progress.update(activity="reading")
    inputs = _inputs(context, recipe, form)
    schema = inputs.start.schema
    data = Data(inputs.training_rows.examples, inputs.validation_rows.examples)
    steps = planned_steps(data, recipe.training, recipe.seed)
    apm = form.start(inputs.start, data.training)
    module = apm.objective.module
    engine = chosen_engine(module, apm.parameter_groups, recipe.training, context)
    trained = run_training(
        data, steps, recipe.training, recipe.seed, apm.objective, engine, context
    )
    means_A = mean_labels(data.training, len(schema.names))
    figures = _figures(apm.scored(data.validation, trained.layout, engine), schema, means_A)
    starts: dict[str, object] = {}
    if recipe.level_starts:
        rows = reference_rows(data.training, recipe.seed)
        starts = {"levelStarts": _level_starts(apm.scored(rows, trained.layout, engine), schema)}
    with engine.whole():
        if context.ranks.rank:  # rank 0 alone writes
            return Report(exit_code=ExitCode.OK, fingerprint=context.config.fingerprint)
        return _sealed(context, form, inputs, data, apm, trained, figures, starts)


def _sealed(
    context: StageContext,
    form: ApmForm[L],
    inputs: _Inputs[L],
    data: Data[L],
    apm: LiveApm[L],
    trained: Trained,
    figures: dict[str, ApmFigures],
    starts: Mapping[str, object],
) -> Report:
    schema = inputs.start.schema
    writer = ArtifactWriter(context.config, context.scratch)
    copy_curves(context, writer.telemetry)
    _write_model(writer.content, apm, inputs.start, context, starts)
    written = {name: f.model_dump(mode="json", by_alias=True) for name, f in figures.items()}
    dropped = inputs.training_rows.dropped
    write_training(writer.content, data, trained, dropped=dropped, figures=written)
    metrics = {**trained.metrics, **_pearsons(figures)}
    licences = {name: inputs.licences[name] for name in data.sources}
    told = {**trained.metrics, **{name: _told(figure) for name, figure in figures.items()}}
    card = CardFacts(schema, licences, told)
    write_model_card(writer.content, form.card, card, base=inputs.start.base)
    sealed = writer.commit(notes=context.notes.lines)
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


def _inputs(context: StageContext, recipe: TrainApmRecipe, form: ApmForm[L]) -> _Inputs[L]:
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    reader = ArtifactReader.open(prepared, context.scratch)
    base = reader.folder("base_model")
    check_length(base, recipe.training)
    tokenizer = ChatTokenizer.from_folder(base)
    schema = load_schema_file(reader.file("schema.json"))
    longest = recipe.training.max_length_tokens
    if recipe.label_groups is not None:
        found = half_notes(_conversations(context, reader, "train"), schema, recipe.label_groups)
        for note in found:
            context.notes.add(note)
    to_learn_from = chosen_half(_conversations(context, reader, "train"), recipe.label_groups)
    training_rows, validation_rows = (
        form.rows(conversations, tokenizer, schema, longest)
        for conversations in (to_learn_from, _conversations(context, reader, "validation"))
    )
    if training_rows.dropped["tooLong"]:
        context.notes.add(
            f"{training_rows.dropped['tooLong']} labelled answers dropped: longer than {longest} "
            "tokens with question and system prompt"
        )
    if not validation_rows.examples:
        context.notes.add("no labelled answer in the validation split: the last weights are kept")
    systems = Counter(c.system for c in _conversations(context, reader, "train"))
    system = systems.most_common(1)[0][0] if systems else ""
    start = ApmStart(base, tokenizer, schema, recipe.training, recipe.seed, system)
    return _Inputs(start, training_rows, validation_rows, prepared_licences(reader))


def _conversations(
    context: StageContext, reader: ArtifactReader, split: str
) -> Iterator[Conversation]:
    for row in reader.rows(f"labelled.{split}"):
        context.tick()
        yield Conversation.from_json(row)


def _figures(
    scored: Sequence[tuple[L, list[float]]], schema: Schema, means_A: Tensor
) -> dict[str, ApmFigures]:
    """Return the figures of the best weights on the validation rows."""
    figures = {}
    for place, attribute in enumerate(schema.attributes):
        scores, labels = _known(scored, place)
        figures[attribute.name] = attribute_figures(
            scores, labels, float(means_A[place]), attribute
        )
    return figures


def _level_starts(scored: Sequence[tuple[L, list[float]]], schema: Schema) -> dict[str, object]:
    """Return where `quantise: MatchHistogram` lets each level start, by attribute, as JSON."""
    starts: dict[str, object] = {}
    for place, attribute in enumerate(schema.attributes):
        scores, labels = _known(scored, place)
        if scores:
            levels = (quantise(from_unit(label, attribute), attribute) for label in labels)
            on_scale = [from_unit(score, attribute) for score in scores]
            starts[attribute.name] = level_starts(on_scale, levels).to_json()
    return starts


def _known(scored: Sequence[tuple[L, list[float]]], place: int) -> tuple[list[float], list[float]]:
    """Return scores and labels, 0..1, of one attribute where a person labelled it."""
    known = [(scores[place], float(e.labels_A[place])) for e, scores in scored if e.known_A[place]]
    return [score for score, _label in known], [label for _score, label in known]


def _write_model(
    folder: Path,
    apm: LiveApm[L],
    start: ApmStart,
    context: StageContext,
    starts: Mapping[str, object],
) -> None:
    context.progress.update(activity="saving")
    more = apm.save(folder)
    copy_legal_files(start.base, folder)
    refs = context.config.input_refs
    write_steerlm_json(folder, "apm", start.schema, refs, **starts, **more)


def _told(figure: ApmFigures) -> str:
    """Return the figures of one attribute on held-out labels, as the card has them."""
    if figure.mae.value is None:
        return "no held-out label"
    r = "-" if figure.pearson.value is None else f"{figure.pearson.value:.2f}"
    return (
        f"r {r}, mean absolute error {figure.mae.value:.2f} (always the mean: "
        f"{figure.constant_mean_mae:.2f}), {figure.num_labels} held-out labels, "
        f"{figure.num_distinct_levels} distinct levels predicted"
    )


def _pearsons(figures: dict[str, ApmFigures]) -> dict[str, str]:
    return {
        f"apm/{name}/pearson": f"{figure.pearson.value:.4f}"
        for name, figure in figures.items()
        if figure.pearson.value is not None
    }
