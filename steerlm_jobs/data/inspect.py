"""`steerlm data inspect`: what a data source holds, as a table or as JSON."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from steerlm_jobs.attributes.labels import quantise
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn, path_of
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.roots import local_root
from steerlm_jobs.data.statistics import LabelCounts, length_figures

OVER_TOKENS: Final = 4096
_SCALE: Final = Attribute(name="scale", min=0, max=4)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. Lengths are in characters, or in tokens if a tokenizer was given."""

    format: DataFormat
    conversations: int
    """Paths that are kept, without trailing user turns; prompts of a prompt file."""
    distinct_conversations: int
    assistant_messages: int
    """Distinct answers in them."""
    drops: dict[str, int]
    attributes: dict[str, dict[str, Any]]  # Any: JSON
    lengths: dict[str, int | None]

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the value that `--json` prints."""
        return {
            "format": self.format.value,
            "conversations": self.conversations,
            "distinct_conversations": self.distinct_conversations,
            "assistant_messages": self.assistant_messages,
            "drops": self.drops,
            "attributes": self.attributes,
            "lengths": self.lengths,
        }


def inspect(path: Path, declared: DataFormat, tokenizer: Tokenizer | None) -> Inspection:
    """Read a source once and count.

    Raises:
        BadInputError: It cannot be read.
    """
    reader = SourceReader(path, declared)
    form = reader.format()
    is_prompts = form is DataFormat.PROMPTS
    paths: set[tuple[str, ...]] = set()
    seen: set[str] = set()
    counts = LabelCounts()
    lengths: list[int] = []
    for conversation in reader.prompts() if is_prompts else reader.conversations():
        paths.add(path_of(conversation.turns))
        lengths.append(_length(conversation, tokenizer))
        for turn in conversation.turns:
            if turn.role is Role.ASSISTANT and turn.message_id not in seen:
                seen.add(turn.message_id)
                counts.add(_levels(turn, conversation))
    over = None if tokenizer is None else sum(length > OVER_TOKENS for length in lengths)
    return Inspection(
        format=form,
        conversations=len(lengths),
        distinct_conversations=len(paths),
        assistant_messages=len(seen),
        drops=reader.drops.as_dict(),
        attributes=counts.figures(sorted(counts.levels)),
        lengths={**length_figures(lengths), "over": over},
    )


def run_inspect(uri: str, data_format: str, tokenizer_uri: str | None, *, as_json: bool) -> str:
    """Return the text that `data inspect` prints.

    Raises:
        BadInputError: The source cannot be read.
        BadConfigError: The format is unknown, or the tokenizer cannot be read.
    """
    try:
        declared = DataFormat(data_format)
    except ValueError as error:
        known = ", ".join(f.value for f in DataFormat)
        msg = f"format {data_format!r} is unknown; known: {known}"
        raise BadConfigError(msg) from error
    with tempfile.TemporaryDirectory(prefix="steerlm-") as scratch:
        tokenizer = _tokenizer(tokenizer_uri, Path(scratch)) if tokenizer_uri else None
        found = inspect(local_root(uri, Path(scratch)), declared, tokenizer)
    if as_json:
        return json.dumps(found.as_json(), ensure_ascii=False)
    return _table(found, uri, "tokens" if tokenizer_uri else "characters")


def _tokenizer(uri: str, scratch: Path) -> Tokenizer:
    try:
        root = local_root(uri, scratch)
        return Tokenizer.from_file(str(root / "tokenizer.json" if root.is_dir() else root))
    except BadInputError as error:
        raise BadConfigError(str(error)) from error
    except Exception as error:
        # `tokenizers` raises bare Exception for a file it cannot read
        msg = f"{uri}: no tokenizer.json that can be read there"
        raise BadConfigError(msg) from error


def _length(conversation: RawConversation, tokenizer: Tokenizer | None) -> int:
    if tokenizer is None:
        return sum(len(turn.text) for turn in conversation.turns)
    texts = [f"{turn.role.value}\n{turn.text}\n" for turn in conversation.turns]
    pieces = tokenizer.encode_batch(texts, add_special_tokens=False)
    return sum(len(piece.ids) + 1 for piece in pieces)  # + 1: the marker that begins a turn


def _levels(turn: RawTurn, conversation: RawConversation) -> dict[str, int]:
    factor = _SCALE.max if conversation.has_unit_labels else 1
    return {name: quantise(value * factor, _SCALE) for name, value in turn.labels.items()}


def _table(found: Inspection, uri: str, unit: str) -> str:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=io.StringIO(), width=100)
    console.print(
        f"{uri}: {found.format.value}, {found.conversations} conversations "
        f"({found.distinct_conversations} distinct), {found.assistant_messages} assistant messages"
    )
    lengths = ", ".join(f"{k} {v}" for k, v in found.lengths.items() if v is not None)
    console.print(f"length in {unit}: {lengths}")
    if found.drops:
        console.print("left out: " + ", ".join(f"{k} {v}" for k, v in found.drops.items()))
    if found.attributes:
        table = Table("label", "known", "missing", *(str(level) for level in range(5)))
        for name, figure in found.attributes.items():
            levels = [str(figure["histogram"].get(str(level), 0)) for level in range(5)]
            table.add_row(name, str(figure["known"]), f"{figure['missing_share']:.0%}", *levels)
        console.print(table)
    else:
        console.print("no labels")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    return text.rstrip("\n")
