"""The prepared data sets: labelled and unlabelled conversations, split, in the run's own form."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat, PrepareRecipe, Source
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.keys import KeySet, short_key
from steerlm_jobs.data.labelling import MeterEdges, meter_labels, turn_labels
from steerlm_jobs.data.readers.raw import Drop, RawConversation, path_of
from steerlm_jobs.data.readers.source import SourceReader, limited
from steerlm_jobs.data.split import TRAIN, VALIDATION, group_of, split_of
from steerlm_jobs.data.statistics import LabelCounts, length_figures
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.jsonl import JsonlWriter

LABELLED: Final = "labelled"
UNLABELLED: Final = "unlabelled"
_ROWS_PER_REPORT: Final = 100


def file_name(part: str, split: str) -> str:
    """Return the name of a data set within the artifact."""
    return f"{part}.{split}.jsonl.zst"


@dataclass(slots=True)
class Found:
    """What reading the sources has shown; grows while they are read."""

    sources: dict[str, dict[str, Any]] = field(default_factory=dict)  # Any: JSON
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Conversations by (part, split)."""
    labels: dict[str, LabelCounts] = field(
        default_factory=lambda: {TRAIN: LabelCounts(), VALIDATION: LabelCounts()}
    )
    """Known labels by split, each message once."""
    lengths: Counter[int] = field(default_factory=Counter)
    """How often each length in characters occurs."""
    label_names: set[str] = field(default_factory=set)
    """What the labelled sources call their labels."""
    training_prompts: KeySet = field(default_factory=KeySet)
    """Short keys of the training split's groups."""
    training_questions: KeySet = field(default_factory=KeySet)
    """Short keys of all user turns of the training split, each as if it were a group of its own."""
    seen: KeySet = field(default_factory=KeySet)
    """Short keys of the answers that are counted."""

    def note(self, source: Source) -> str:
        """Return one line: how a source was read and what was left out; empty if as declared."""
        figures = self.sources[source.name]
        drops = ", ".join(f"{cause} {n}" for cause, n in figures["drops"].items())
        if source.format is not DataFormat.AUTO and not drops:
            return ""
        left_out = f"; left out: {drops}" if drops else ""
        return f"source {source.name}: read as {figures['format']}{left_out}"

    def statistics(self, schema: Schema) -> dict[str, Any]:  # Any: JSON
        """Return the content of `statistics.json`."""
        scales = {a.name: range(a.min, a.max + 1) for a in schema.attributes}
        return {
            "sources": self.sources,
            "conversations": {f"{p}.{s}": n for (p, s), n in sorted(self.rows.items())},
            "attributes": {s: self.labels[s].figures(scales) for s in (TRAIN, VALIDATION)},
            "lengthsCharacters": length_figures(self.lengths),
        }


def write_corpus(
    recipe: PrepareRecipe,
    roots: Mapping[str, Path],
    folder: Path,
    stop: StopFlag,
    progress: ProgressWriter,
    addresses: Mapping[str, str] | None = None,
) -> Found:
    """Read all sources and write the four data sets into a folder.

    Args:
        recipe: Says how to read and split them.
        roots: Local file or folder of each source.
        folder: Where the data sets go.
        stop: Looked at before every row.
        progress: Told of every hundredth row.
        addresses: What the roots are copies of, for messages; None: of nothing.

    Raises:
        BadInputError: A source cannot be read, has a label out of range, or nothing is left of it.
        InterruptedStageError: The stop flag was set.
    """
    schema, found = Schema(recipe.attributes), Found()
    parts = ((LABELLED, recipe.labelled), (UNLABELLED, recipe.unlabelled))
    num_rows = 0
    for part, sources in parts:
        with ExitStack() as open_files:
            files = {
                split: open_files.enter_context(JsonlWriter(folder / file_name(part, split)))
                for split in (TRAIN, VALIDATION)
            }
            for source in sources:
                reader = SourceReader(
                    roots[source.name],
                    source.format,
                    source.filters,
                    source.pairs,
                    address=(addresses or {}).get(source.name, ""),
                )
                for row in _rows(recipe, source, part, reader, schema, found):
                    stop.raise_if_set()
                    files[row.split].write(row.to_json())
                    num_rows += 1
                    if num_rows % _ROWS_PER_REPORT == 0:
                        progress.update(done=num_rows, unit="conversations")
    return found


def _rows(
    recipe: PrepareRecipe,
    source: Source,
    part: str,
    reader: SourceReader,
    schema: Schema,
    found: Found,
) -> Iterator[Conversation]:
    edges = _edges(recipe, source, reader, schema) if part == LABELLED else {}
    splits: Counter[str] = Counter()
    label_names: set[str] = set()
    for raw in _kept(reader, source):
        row = _row(recipe, source, raw, schema, edges if part == LABELLED else None)
        splits[row.split] += 1
        found.rows[part, row.split] += 1
        found.lengths[sum(len(turn.text) for turn in row.turns)] += 1
        label_names.update(name for turn in raw.turns for name in turn.labels)
        _count(row, found)
        yield row
    found.sources[source.name] = {
        "format": reader.format().value,
        "licence": source.licence,
        TRAIN: splits[TRAIN],
        VALIDATION: splits[VALIDATION],
        "drops": reader.drops.as_dict(),
    }
    if not splits:
        left_out = ", ".join(f"{k} {v}" for k, v in reader.drops.as_dict().items())
        msg = f"source {source.name}: no conversation is left (left out: {left_out or 'nothing'})"
        raise BadInputError(msg)
    _check_names(source, label_names)
    if part == LABELLED:
        found.label_names |= label_names


def _kept(reader: SourceReader, source: Source) -> Iterator[RawConversation]:
    """Yield each distinct conversation once, up to the source's limit."""

    def distinct() -> Iterator[RawConversation]:
        with KeySet() as paths:
            for raw in reader.conversations():
                if paths.add(short_key(path_of(raw.turns))):
                    yield raw
                else:
                    reader.drops.add(Drop.DUPLICATE)

    return limited(distinct(), source.max_conversations, reader.drops)


def _edges(
    recipe: PrepareRecipe, source: Source, reader: SourceReader, schema: Schema
) -> dict[str, tuple[float, ...]]:
    """Return the level edges of a source's meters: quantiles over its training split."""
    if not meter_labels(source):
        return {}
    with MeterEdges() as meters:
        for raw in _kept(reader, source):
            if split_of(group_of(raw.turns), recipe.seed, recipe.validation_fraction) == TRAIN:
                meters.collect(source, raw)
        return meters.edges(schema)


def _row(
    recipe: PrepareRecipe,
    source: Source,
    raw: RawConversation,
    schema: Schema,
    edges: Mapping[str, Sequence[float]] | None,
) -> Conversation:
    """Return a conversation in the run's form; `edges` is None where labels do not count."""
    group = group_of(raw.turns)
    turns = tuple(
        Turn(
            role=turn.role,
            text=turn.text,
            labels={} if edges is None else turn_labels(turn, raw, source, schema, edges),
            message_id=turn.message_id,
            language=turn.language,
        )
        for turn in raw.turns
    )
    return Conversation(
        id=f"{source.name}/{raw.turns[-1].message_id}",
        source=source.name,
        group=group,
        system=recipe.system_prompt,
        turns=turns,
        split=split_of(group, recipe.seed, recipe.validation_fraction),
    )


def _count(row: Conversation, found: Found) -> None:
    for turn in row.turns:
        key = short_key([turn.message_id])
        if turn.role is Role.ASSISTANT and found.seen.add(key):
            found.labels[row.split].add(turn.labels)
    if row.split == TRAIN:
        found.training_prompts.add(short_key([row.group]))
        for turn in row.turns:
            if turn.role is Role.USER:
                found.training_questions.add(short_key([group_of([turn])]))


def _check_names(source: Source, present: set[str]) -> None:
    for label in source.labels or ():
        if label.from_name is not None and label.from_name not in present:
            known = ", ".join(sorted(present)) or "none"
            msg = (
                f"source {source.name}: label {label.from_name!r} occurs nowhere in it; "
                f"it has: {known}"
            )
            raise BadInputError(msg)
