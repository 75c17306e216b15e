"""`steerlm data inspect`: what a data source holds, as a table or as JSON."""

import io
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from steerlm_jobs.attributes.labels import from_unit, quantise
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.keys import KeySet, short_key
from steerlm_jobs.data.readers import helpsteer
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn, path_of
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.roots import Root
from steerlm_jobs.data.statistics import LabelCounts, length_figures

OVER_TOKENS: Final = 4096
_SCALE: Final = Attribute(name="scale", min=0, max=4)
_LEVELS: Final = range(_SCALE.min, _SCALE.max + 1)


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


def inspect(reader: SourceReader, tokenizer: Tokenizer | None) -> Inspection:
    """Read a source once and count.

    Raises:
        BadInputError: It cannot be read, or has a label outside 0..4.
    """
    form = reader.format()
    is_prompts = form is DataFormat.PROMPTS
    counts = LabelCounts()
    lengths: Counter[int] = Counter()
    with KeySet() as paths, KeySet() as seen:
        for conversation in reader.prompts() if is_prompts else reader.conversations():
            paths.add(short_key(path_of(conversation.turns)))
            lengths[_length(conversation, tokenizer)] += 1
            for turn in conversation.turns:
                if turn.role is Role.ASSISTANT and seen.add(short_key([turn.message_id])):
                    counts.add(_levels(turn, conversation))
        num_paths, num_messages = len(paths), len(seen)
    names = {*counts.levels, *(helpsteer.LABELS if form is DataFormat.HELPSTEER else ())}
    over = sum(n for length, n in lengths.items() if length > OVER_TOKENS)
    return Inspection(
        format=form,
        conversations=lengths.total(),
        distinct_conversations=num_paths,
        assistant_messages=num_messages,
        drops=reader.drops.as_dict(),
        attributes=counts.figures(dict.fromkeys(sorted(names), _LEVELS)),
        lengths={**length_figures(lengths), "over": None if tokenizer is None else over},
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
        root = Root.at(uri)
        reader = SourceReader(root.local(Path(scratch)), declared, address=root.uri)
        found = inspect(reader, tokenizer)
    if as_json:
        return json.dumps(found.as_json(), ensure_ascii=False)
    return _table(found, uri, "tokens" if tokenizer_uri else "characters")


def _tokenizer(uri: str, scratch: Path) -> Tokenizer:
    try:
        root = Root.at(uri, ("tokenizer.json",)).local(scratch)
        return Tokenizer.from_file(str(root / "tokenizer.json" if root.is_dir() else root))
    except BadInputError as error:
        raise BadConfigError(str(error)) from error
    except Exception as error:
        # `tokenizers` raises bare Exception for a file it cannot read
        msg = f"{uri}: no tokenizer.json that can be read there"
        raise BadConfigError(msg) from error


def _length(conversation: RawConversation, tokenizer: Tokenizer | None) -> int:
    """Return the length of all turns. Tokens count the markers and names that begin turns too."""
    if tokenizer is None:
        return sum(len(turn.text) for turn in conversation.turns)
    texts = [f"{turn.role.value}\n{turn.text}\n" for turn in conversation.turns]
    pieces = tokenizer.encode_batch(texts, add_special_tokens=False)
    return sum(len(piece.ids) + 1 for piece in pieces)


def _levels(turn: RawTurn, conversation: RawConversation) -> dict[str, int]:
    if conversation.has_unit_labels:
        return {n: quantise(from_unit(value, _SCALE), _SCALE) for n, value in turn.labels.items()}
    for name, value in turn.labels.items():
        if value not in _LEVELS:
            msg = f"{conversation.place}: label {name!r} is {value:g}, outside 0..4; correct it"
            raise BadInputError(msg)
    return {name: int(value) for name, value in turn.labels.items()}


def _table(found: Inspection, uri: str, unit: str) -> str:
    from rich.console import Console
    from rich.table import Table

    text = io.StringIO()
    console = Console(file=text, width=100)
    console.print(
        f"{uri}: {found.format.value}, {found.conversations} conversations "
        f"({found.distinct_conversations} distinct), {found.assistant_messages} assistant messages",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    lengths = ", ".join(f"{k} {v}" for k, v in found.lengths.items() if v is not None)
    console.print(f"length in {unit}: {lengths}")
    if found.drops:
        console.print("left out: " + ", ".join(f"{k} {v}" for k, v in found.drops.items()))
    if not found.attributes:
        console.print("no labels")
        return text.getvalue().rstrip("\n")
    table = Table("label", "known", "missing", *map(str, _LEVELS))
    for name, figure in found.attributes.items():
        levels = [str(figure["histogram"][str(level)]) for level in _LEVELS]
        table.add_row(name, str(figure["known"]), f"{figure['missing_share']:.0%}", *levels)
    console.print(table)
    return text.getvalue().rstrip("\n")
