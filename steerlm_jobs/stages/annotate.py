"""annotate: every assistant turn gets the APM's scores and labels (arXiv:2310.05344, step 2).

In a bootstrap iteration the rows are samples: they get *predicted* labels, not those asked for,
and the samples of a prompt are ranked.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.attributes.histogram_match import LevelStarts
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import BadInputError, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import ContentFile
from steerlm_jobs.contract.recipes import AnnotateRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.dataset_card import (
    carried_licences,
    dataset_card,
    prepared_licences,
    write_card,
)
from steerlm_jobs.data.template import TEMPLATE
from steerlm_jobs.evaluation.annotation import (
    Labelling,
    annotated,
    annotated_sample,
    ranked,
    summary,
)
from steerlm_jobs.models.scorer import load_scorer
from steerlm_jobs.models.steerlm_json import read_level_starts, read_schema
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.store.chunks import ChunkStore, chunk_name, chunk_ranges
from steerlm_jobs.store.jsonl import write_json, write_jsonl

log = logging.getLogger(__name__)

SOURCE_FILES: Final = (
    "labelled.train",
    "unlabelled.train",
    "labelled.validation",
    "unlabelled.validation",
)
"""Files of prepare, in the order of the rows."""


def run(context: StageContext) -> Report:
    """Label all conversations, chunk by chunk, and seal them.

    Raises:
        BadInputError: There is nothing to label.
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    recipe = _recipe(context.config)
    num_rows = sum(1 for _ in _rows(context))
    if num_rows == 0:
        raise BadInputError("no conversation to annotate; the stage before this one wrote none")
    chunks = ChunkStore(context.config)
    _write_missing(context, recipe, chunks, num_rows)
    if not chunks.is_complete(num_rows, recipe.chunk_rows):
        log.info("this shard is done; others still work")
        return Report(exit_code=ExitCode.OK, fingerprint=context.config.fingerprint)
    return _sealed(context, recipe, chunks, num_rows)


def _write_missing(
    context: StageContext, recipe: AnnotateRecipe, chunks: ChunkStore, num_rows: int
) -> None:
    """Score and label the chunks that nobody has written yet."""
    missing = chunks.missing(num_rows, recipe.chunk_rows)
    if not missing:
        return
    total = len(chunk_ranges(num_rows, recipe.chunk_rows))
    context.progress.update(total=num_rows, unit="conversations", activity="annotating")
    scorer = load_scorer(_apm(context).folder())
    context.notes.add(scorer.note(recipe.max_length_tokens))
    starts = _starts(context, recipe, scorer.schema)
    labelling = Labelling(scorer.schema, recipe.labels, starts)
    label = annotated_sample if recipe.iteration else annotated
    for place, (rows, conversations) in enumerate(_slices(_rows(context), missing)):
        context.stop.raise_if_set()
        scores = scorer.score(conversations, recipe.max_length_tokens, context.tick)
        labelled = (label(*pair, labelling) for pair in zip(conversations, scores, strict=True))
        chunks.write(rows, (c.to_json() for c in labelled if c is not None))
        num_chunks = total - len(missing) + place + 1
        context.progress.update(
            done=min(num_chunks * recipe.chunk_rows, num_rows), checkpoint_step=num_chunks
        )


def _starts(
    context: StageContext, recipe: AnnotateRecipe, schema: Schema
) -> Mapping[str, LevelStarts]:
    """Return where levels start; nothing where scores are rounded."""
    if recipe.quantise == "Round":
        return {}
    starts = read_level_starts(_apm(context).folder())
    missing = [name for name in schema.names if name not in starts]
    if missing:
        context.notes.add(f"{', '.join(missing)}: no label to match, so scores are rounded")
    return starts


def _sealed(
    context: StageContext, recipe: AnnotateRecipe, chunks: ChunkStore, num_rows: int
) -> Report:
    context.progress.update(done=num_rows, total=num_rows, activity="sealing")
    writer = ArtifactWriter(context.config, context.scratch)
    schema = read_schema(_apm(context).folder())
    extra: tuple[ContentFile, ...] = ()
    annotated_rows = (Conversation.from_json(row) for row in chunks.rows())
    if recipe.iteration:
        samples = _ranked(context, recipe, schema, annotated_rows)
        write_jsonl(writer.content / chunk_name(0), (s.to_json() for s in samples))
        answers = (replace(s, turns=s.turns[-1:]) for s in samples)  # originals are counted already
        sums = summary(answers, num_rows, schema)
    else:
        sums, extra = summary(annotated_rows, num_rows, schema), chunks.content_files()
    licences = _licences(context)
    write_json(writer.content / "summary.json", {**sums, "licences": licences})
    write_json(writer.content / "template.json", TEMPLATE)
    _write_card(writer.content, recipe, sums, licences)
    _note(context, sums["conversations"], sums["droppedTooLong"], sums["trainLevelCounts"])
    digest = writer.commit(extra=extra, notes=context.notes.lines).digest
    metrics = {name: str(sums[name]) for name in ("conversations", "assistantTurns", "kept")}
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=digest,
        metrics=metrics,
    )


def _licences(context: StageContext) -> dict[str, str]:
    samples = context.config.inputs_of(StageKind.SAMPLE)
    if samples:
        return carried_licences(ArtifactReader.open(samples[-1], context.scratch))
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    return prepared_licences(ArtifactReader.open(prepared, context.scratch))


def _write_card(
    folder: Path, recipe: AnnotateRecipe, sums: Mapping[str, Any], licences: Mapping[str, str]
) -> None:
    title, what = (
        (
            "Ranked samples",
            "Answers of a model to training prompts, labelled and ranked by another.",
        )
        if recipe.iteration
        else ("Annotated conversations", "Every answer has labels that a model predicted.")
    )
    counts = {name: value for name, value in sums.items() if isinstance(value, int)}
    write_card(folder, dataset_card(title, what, licences, counts))


def _ranked(
    context: StageContext, recipe: AnnotateRecipe, schema: Schema, rows: Iterable[Conversation]
) -> list[Conversation]:
    if not any(recipe.rank_weights.get(name) for name in schema.names):
        context.notes.add("no attribute has a rank weight: samples stand in the order of sampling")
    return ranked(list(rows), schema, recipe.rank_weights, recipe.filter)


def _note(
    context: StageContext,
    num_conversations: int,
    num_dropped: int,
    level_counts: dict[str, dict[int, int]],
) -> None:
    """Warn of what a person should see before the next stage trains on it."""
    if num_conversations == 0:
        raise BadInputError("every conversation is too long to be scored; raise maxLengthTokens")
    if num_dropped:
        context.notes.add(f"{num_dropped} conversations dropped: a turn is too long to be scored")
    for name, counts in level_counts.items():
        if sum(1 for count in counts.values() if count) == 1:
            context.notes.add(f"{name}: all labels are the same level; it will not steer")


def _rows(context: StageContext) -> Iterator[Conversation]:
    """Yield the rows to label, in their fixed order."""
    samples = context.config.inputs_of(StageKind.SAMPLE)
    if samples:
        reader = ArtifactReader.open(samples[-1], context.scratch)
        yield from map(Conversation.from_json, reader.rows("chunks/"))
        return
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    reader = ArtifactReader.open(prepared, context.scratch)
    for name in SOURCE_FILES:
        yield from map(Conversation.from_json, reader.rows(f"{name}."))


def _slices(
    rows: Iterator[Conversation], wanted: Iterable[range]
) -> Iterator[tuple[range, list[Conversation]]]:
    """Yield the rows of each wanted range; the ranges rise and do not overlap."""
    position = 0
    for numbers in wanted:
        skipped = islice(rows, numbers.start - position)
        sum(1 for _ in skipped)
        yield numbers, list(islice(rows, len(numbers)))
        position = numbers.stop


def _apm(context: StageContext) -> ArtifactReader:
    (source,) = context.config.inputs_of(StageKind.TRAIN_APM)
    return ArtifactReader.open(source, context.scratch)


def _recipe(config: StageConfig) -> AnnotateRecipe:
    if not isinstance(config.recipe, AnnotateRecipe):
        msg = f"annotate was given the recipe of {config.kind.value}"
        raise TypeError(msg)
    return config.recipe
