"""`steerlm data export`: data files, or the conversations of an artifact, in NeMo's records.

What the files say is written, trailing user turns too; texts are stripped, as everywhere. What
cannot be written is left out and counted.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.labels import from_unit, quantise
from steerlm_jobs.contract.attributes import DEFAULT_NAMES, Attribute
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, StoreUnavailableError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.keys import KeySet, short_key
from steerlm_jobs.data.labelling import OASST_ONLY
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, path_of
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.roots import Root
from steerlm_jobs.data.writers.nemo import (
    RecordType,
    is_writable,
    labelled_answers,
    regression_line,
    sft_line,
)
from steerlm_jobs.store.chunks import FOLDER as CHUNKS
from steerlm_jobs.store.files import is_local, local_folder
from steerlm_jobs.store.manifests import read_manifest
from steerlm_jobs.store.reading import ArtifactReader

_WRITTEN: Final = (DataFormat.NEMO_SFT, DataFormat.NEMO_REGRESSION)
_CONVERSATIONS: Final = ("labelled.", "unlabelled.", CHUNKS)
"""What the names of an artifact's files of conversations start with."""
_SCALE: Final = Attribute(name="scale", min=0, max=4)
"""Of the nine attributes in NeMo's data."""


@dataclass(slots=True)
class Export:
    """Conversations on their way into a file."""

    to: DataFormat
    record_type: RecordType = RecordType.VALUE_TO_TEXT
    drops: Drops = field(default_factory=Drops)
    num_records: int = 0

    def lines(self, source: "_Opened") -> Iterator[bytes]:
        """Yield the lines of conversations; count them, and what has none."""
        with KeySet() as answers:
            for found in source.conversations:
                conversation = _on_scale(found)
                if not is_writable(conversation):
                    self.drops.add(Drop.MARKER)
                    continue
                for line in self._lines(conversation, answers if source.shares_messages else None):
                    self.num_records += 1
                    yield line

    def _lines(self, conversation: RawConversation, answers: KeySet | None) -> Iterator[bytes]:
        if all(turn.role is Role.USER for turn in conversation.turns):
            self.drops.add(Drop.SINGLE_MESSAGE)
        elif self.to is DataFormat.NEMO_SFT:
            yield sft_line(conversation, self.record_type)
        else:
            yield from self._regression_lines(conversation, answers)

    def _regression_lines(
        self, conversation: RawConversation, answers: KeySet | None
    ) -> Iterator[bytes]:
        """Yield a line for each labelled answer; one of several paths has it once."""
        places = labelled_answers(conversation)
        if not places:
            self.drops.add(Drop.NO_LABEL)
        for index in places:
            path = path_of(conversation.turns[: index + 1])
            has_ids = all(path)  # the answer of a sample has none: nothing tells it apart
            if answers is None or not has_ids or answers.add(short_key(path)):
                yield regression_line(conversation, index)
            else:
                self.drops.add(Drop.DUPLICATE)


def run_export(
    uri: str, data_format: str, to: str, output: Path, record_type: str, split: str | None
) -> str:
    """Write a file of NeMo's records; return the line to print.

    Raises:
        BadConfigError: The target cannot be written, or exists.
        BadInputError: The source cannot be read, or nothing of it can be written.
    """
    export = Export(_target(to), RecordType(record_type))
    declared = _known(data_format)
    if output.exists():
        msg = f"{output}: exists already; give another --output or delete it"
        raise BadConfigError(msg)
    with tempfile.TemporaryDirectory(prefix="steerlm-") as scratch:
        source = _opened(uri, declared, split, Path(scratch), export.drops)
        _write(output, export.lines(source))
    left_out = ", ".join(f"{cause} {n}" for cause, n in export.drops.as_dict().items())
    if not export.num_records:
        output.unlink()
        msg = f"{uri}: nothing to write as {to} (left out: {left_out or 'nothing'})"
        raise BadInputError(msg)
    line = f"{output}: {export.num_records} records of {to}"
    return f"{line}; left out: {left_out}" if left_out else line


def _write(output: Path, lines: Iterator[bytes]) -> None:
    """Write under another name first: a failure leaves no half file that looks whole."""
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(lines)
        part.rename(output)
    except OSError as error:
        msg = f"{output}: cannot be written: {error.strerror or error}"
        raise StoreUnavailableError(msg) from error
    finally:
        part.unlink(missing_ok=True)


def _target(to: str) -> DataFormat:
    form = _known(to)
    if form not in _WRITTEN:
        msg = f"--to {to}: cannot be written; known: {', '.join(_WRITTEN)}"
        raise BadConfigError(msg)
    return form


def _known(name: str) -> DataFormat:
    try:
        return DataFormat(name)
    except ValueError as error:
        msg = f"format {name!r} is unknown; known: {', '.join(f.value for f in DataFormat)}"
        raise BadConfigError(msg) from error


@dataclass(frozen=True, slots=True)
class _Opened:
    conversations: Iterator[RawConversation]
    shares_messages: bool
    """True: paths of trees, in which a message occurs several times."""


def _opened(
    uri: str, declared: DataFormat, split: str | None, scratch: Path, drops: Drops
) -> _Opened:
    is_file = is_local(uri) and local_folder(uri).is_file()
    manifest = None if is_file else read_manifest(uri)
    if manifest is not None:
        rows = _artifact_rows(ArtifactReader(uri, manifest, scratch), split)
        return _Opened(rows, shares_messages=True)
    if split is not None:
        msg = f"{uri}: --split is for the artifacts of prepare and annotate, this is a data source"
        raise BadConfigError(msg)
    root = Root.at(uri)
    reader = SourceReader(root.local(scratch), declared, drops=drops, address=root.uri)
    return _Opened(reader.raw(), shares_messages=reader.format() is DataFormat.OASST)


def _artifact_rows(reader: ArtifactReader, split: str | None) -> Iterator[RawConversation]:
    """Yield what is trained on: answers with people's labels, or with predicted ones."""
    for prefix in _CONVERSATIONS:
        for row in reader.rows(prefix):
            conversation = Conversation.from_json(row)
            if conversation.kept and split in (None, conversation.split):
                turns = tuple(
                    RawTurn(turn.role, turn.text, turn.message_id, turn.language, _ordered(turn))
                    for turn in conversation.turns
                )
                place = f"conversation {conversation.id}"
                yield RawConversation(place, turns, system=conversation.system)


def _ordered(turn: Turn) -> dict[str, float]:
    """Return labels in NeMo's order of attributes, others after them by name."""
    place = {name: index for index, name in enumerate(DEFAULT_NAMES)}
    names = sorted(turn.labels, key=lambda name: (place.get(name, len(place)), name))
    return {name: float(turn.labels[name]) for name in names}


def _on_scale(conversation: RawConversation) -> RawConversation:
    """Return OASST's labels as NeMo has them: integers, of the attributes that it takes."""
    if not conversation.has_unit_labels:
        return conversation
    names = [name for name in DEFAULT_NAMES if name != OASST_ONLY]
    turns = tuple(
        replace(
            turn,
            labels={
                name: float(quantise(from_unit(turn.labels[name], _SCALE), _SCALE))
                for name in names
                if name in turn.labels
            },
        )
        for turn in conversation.turns
    )
    return replace(conversation, turns=turns, has_unit_labels=False)
