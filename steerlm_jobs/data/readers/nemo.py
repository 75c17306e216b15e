"""NeMo-Aligner's two records, so that data move to and from NeMo.

The *ACSFT record* holds turns with a label text each (`preprocess_openassistant_data.py`); the
*regression record* a rendered conversation up to one answer, and nine floats
(`process_to_regression_format.py`). Sources: NVIDIA/NeMo-Aligner af2b3bd9,
`examples/nlp/data/steerlm/`.
"""

import re
from collections.abc import Iterator
from typing import Final

from steerlm_jobs.contract.attributes import DEFAULT_NAMES
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import kind_of, list_field, number, text_field, writable
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids
from steerlm_jobs.data.readers.sharegpt import ROLES, speaker_of
from steerlm_jobs.data.template import LABEL_MARKER, split_system, split_turns

UNKNOWN: Final = -100.0
"""What a regression record says where nobody gave a label. Absent everywhere else."""
_LABEL: Final = re.compile(r"\s*([^:,\s]+)\s*:\s*(-?\d+(?:\.\d+)?)\s*")


def read_nemo_sft(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield the conversation of an ACSFT record; a user turn's label does not count."""
    turns: list[RawTurn] = []
    for item in list_field(record.value, "conversations", record.place):
        speaker = speaker_of(item, record.place)
        if speaker not in ROLES:
            msg = f"{record.place}: 'from' is {item['from']!r}, neither User nor Assistant"
            raise BadInputError(msg)
        label = item.get("label")
        labels = {} if label is None else _labels(label, record.place)
        turns.append(
            RawTurn(ROLES[speaker], text_field(item, "value", record.place), labels=labels)
        )
    system = record.value.get("system")
    yield from _conversation(turns, None if system is None else writable(system), record, drops)


def read_nemo_regression(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield the conversation of a regression record; only its last answer has labels."""
    text = text_field(record.value, "text", record.place)
    values = list_field(record.value, "label", record.place)
    if len(values) != len(DEFAULT_NAMES):
        msg = (
            f"{record.place}: 'label' has {len(values)} numbers, a regression record has "
            f"{len(DEFAULT_NAMES)}: {', '.join(DEFAULT_NAMES)}"
        )
        raise BadInputError(msg)
    if not text.endswith(LABEL_MARKER):
        msg = f"{record.place}: 'text' of a regression record ends with {LABEL_MARKER}"
        raise BadInputError(msg)
    found = (
        (name, number(value, f"label {name!r}", record.place))
        for name, value in zip(DEFAULT_NAMES, values, strict=True)
    )
    labels = {name: value for name, value in found if value != UNKNOWN}
    system, rest = split_system(text.removesuffix(LABEL_MARKER))
    raw = [RawTurn(role, said.strip()) for role, said in split_turns(rest)]
    if raw and raw[-1].role is Role.ASSISTANT:
        raw[-1] = RawTurn(Role.ASSISTANT, raw[-1].text, labels=labels)
    yield from _conversation(raw, system, record, drops)


def _conversation(
    turns: list[RawTurn], system: str | None, record: Record, drops: Drops
) -> Iterator[RawConversation]:
    if turns and all(turn.text for turn in turns):
        yield RawConversation(record.place, with_ids(tuple(turns)), system=system)
    else:
        drops.add(Drop.EMPTY_TEXT)


def _labels(text: object, place: str) -> dict[str, float]:
    """Read `quality:4,toxicity:0`."""
    labels: dict[str, float] = {}
    for item in text.split(",") if isinstance(text, str) and text else ():
        match = _LABEL.fullmatch(item)
        if match is None or match[1] in labels:
            msg = f"{place}: label {item!r} is not name:number, or is given twice"
            raise BadInputError(msg)
        labels[match[1]] = float(match[2])
    if not isinstance(text, str):
        msg = f"{place}: 'label' is {kind_of(text)}, not text such as quality:4,humor:0"
        raise BadInputError(msg)
    return labels
