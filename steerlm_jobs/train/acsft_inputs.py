"""What train-acsft reads: first weights, annotated conversations, samples with originals."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainAcsftRecipe
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.dataset_card import prepared_licences
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.steerlm_json import load_schema_file
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader
from steerlm_jobs.train.acsft_data import AcsftRow, AcsftRows, RowReader
from steerlm_jobs.train.acsft_mixture import (
    Originals,
    drawn_originals,
    few_originals,
    num_originals,
)
from steerlm_jobs.train.permuted_labels import label_rows, with_permuted_labels
from steerlm_jobs.train.setting import check_length
from steerlm_jobs.train.shared_rows import shared_rows

SAMPLES: str = "samples"
"""What the samples of a bootstrap iteration are called among the sources."""


@dataclass(frozen=True, slots=True)
class AcsftInputs:
    """What one training starts from and learns from."""

    start: Path
    """The folder from which the weights come."""
    tokenizer: ChatTokenizer
    schema: Schema
    """Empty for the baseline that learns answers without labels."""
    training_rows: AcsftRows
    validation_rows: AcsftRows
    """May have no examples."""
    licences: Mapping[str, str]
    """Of each data source."""


def read_inputs(context: StageContext, recipe: TrainAcsftRecipe) -> AcsftInputs:
    """Return all that is read before training; notes say what was left out.

    Raises:
        BadInputError: No sample of the iteration can be trained on.
        BadConfigError: The length is beyond the model's.
    """
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
    return AcsftInputs(start, tokenizer, schema, training_rows, validation_rows, licences)


def annotated_conversations(
    context: StageContext, source: StageInput, split: str
) -> Iterator[Conversation]:
    """Yield the conversations of a split as an annotate stage stored them.

    Raises:
        InterruptedStageError: Asked to stop meanwhile.
    """
    reader = ArtifactReader.open(source, context.scratch)
    for row in reader.rows("chunks/"):
        context.tick()
        conversation = Conversation.from_json(row)
        if conversation.split == split:
            yield conversation


def _rows(
    context: StageContext, recipe: TrainAcsftRecipe, reader: RowReader
) -> tuple[AcsftRows, AcsftRows]:
    """Return the rows to learn from, and those to validate on: always annotated originals."""
    annotated, *sampled = context.config.inputs_of(StageKind.ANNOTATE)
    if not recipe.iteration:
        training_rows, validation_rows = (
            shared_rows(
                context, reader, _labelled(context, recipe, reader.schema, annotated, split), split
            )
            for split in ("train", "validation")
        )
        return training_rows, validation_rows
    training_rows, validation_rows = AcsftRows(), AcsftRows()
    reader.add(validation_rows, annotated_conversations(context, annotated, "validation"))
    for source in sampled[-1:]:
        samples = (c for c in annotated_conversations(context, source, "train") if c.kept)
        reader.add(training_rows, samples, SAMPLES)
    if not training_rows.examples:
        raise BadInputError(
            "no sample of this iteration can be trained on; raise bootstrap.maxPrompts or "
            "bootstrap.maxNewTokens, or set bootstrap.iterations to 0"
        )
    _add_originals(context, recipe, reader, annotated, training_rows)
    return training_rows, validation_rows


def _labelled(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    schema: Schema,
    annotated: StageInput,
    split: str,
) -> Iterator[Conversation]:
    """Yield annotated conversations; those of the permuted baseline with labels of others."""
    conversations = annotated_conversations(context, annotated, split)
    if recipe.labels != "Permuted":
        return conversations
    rows = label_rows(annotated_conversations(context, annotated, split), schema)
    return with_permuted_labels(conversations, rows, schema, recipe.seed)


def _add_originals(
    context: StageContext,
    recipe: TrainAcsftRecipe,
    reader: RowReader,
    annotated: StageInput,
    rows: AcsftRows,
) -> None:
    """Add a seeded choice of annotated originals to the samples."""

    def conversations() -> Iterator[Conversation]:
        return annotated_conversations(context, annotated, "train")

    num_available = sum(1 for _ in conversations())
    originals = _drawn(reader, conversations, num_available, recipe, len(rows.examples))
    for row in originals.rows:
        rows.add(row)
    rows.dropped += originals.num_passed_over
    reached = len(originals.rows) / len(rows.examples)
    if reached < recipe.original_fraction - 0.01:
        context.notes.add(
            few_originals(
                reached, recipe.original_fraction, num_available, originals.num_passed_over
            )
        )


def _drawn(
    reader: RowReader,
    conversations: Callable[[], Iterable[Conversation]],
    num_available: int,
    recipe: TrainAcsftRecipe,
    num_samples: int,
) -> Originals[AcsftRow]:
    def read(places: frozenset[int]) -> dict[int, AcsftRow]:
        chosen = ((p, c) for p, c in enumerate(conversations()) if p in places)
        rows = ((place, reader.row(conversation)) for place, conversation in chosen)
        return {place: row for place, row in rows if row is not None}

    num_wanted = num_originals(num_samples, num_available, recipe.original_fraction)
    return drawn_originals(num_available, num_wanted, recipe.seed, read)
