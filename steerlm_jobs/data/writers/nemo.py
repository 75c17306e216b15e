"""NeMo-Aligner's two records, byte for byte as its own scripts write them.

The *ACSFT record* of `preprocess_openassistant_data.py`, the *regression record* of
`process_to_regression_format.py`; NVIDIA/NeMo-Aligner af2b3bd9, `examples/nlp/data/steerlm/`.
`data/readers/nemo.py` reads them. An answer without labels has the label null.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from steerlm_jobs.contract.attributes import DEFAULT_NAMES
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import REFERENCE_SYSTEM_PROMPT
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.readers.nemo import UNKNOWN
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn
from steerlm_jobs.data.template import holds_marker, render_text, scoring_segments

_MASKED: Final = Role.USER.value
"""Whose turns NeMo never trains on."""


class RecordType(StrEnum):
    """What NeMo trains on in an ACSFT record."""

    VALUE_TO_TEXT = "VALUE_TO_TEXT"
    """The answer, given its labels: attribute-conditioned training."""
    TEXT_TO_VALUE = "TEXT_TO_VALUE"
    """The labels, given the answer: the generative attribute model."""


def is_writable(conversation: RawConversation) -> bool:
    """Return False if NeMo would take a text's letters for a marker: it tokenises them as such."""
    texts = (_system(conversation), *(turn.text for turn in conversation.turns))
    return not any(holds_marker(text) for text in texts)


def sft_line(conversation: RawConversation, record_type: RecordType) -> bytes:
    """Return the line of a conversation; labels keep their order."""
    return _line(
        {
            "conversations": [
                {"value": turn.text, "from": turn.role.value, "label": _label_text(turn)}
                for turn in conversation.turns
            ],
            "system": _system(conversation),
            "mask": _MASKED,
            "type": record_type.value,
        }
    )


def labelled_answers(conversation: RawConversation) -> tuple[int, ...]:
    """Return the places of the turns that have a regression record."""
    turns = enumerate(conversation.turns)
    return tuple(i for i, turn in turns if turn.role is Role.ASSISTANT and turn.labels)


def regression_line(conversation: RawConversation, index: int) -> bytes:
    """Return the line of one answer: what was said up to it, and its labels.

    Raises:
        BadInputError: It has a label for which the record has no place.
    """
    labels = conversation.turns[index].labels
    _check_names(labels, conversation.place)
    turns = tuple(Turn(turn.role, turn.text) for turn in conversation.turns)
    whole = Conversation("", "", "", _system(conversation), turns)
    return _line(
        {
            "text": render_text(scoring_segments(whole, index)),
            "label": [float(labels.get(name, UNKNOWN)) for name in DEFAULT_NAMES],
        }
    )


def _system(conversation: RawConversation) -> str:
    return REFERENCE_SYSTEM_PROMPT if conversation.system is None else conversation.system


def _label_text(turn: RawTurn) -> str | None:
    if turn.role is not Role.ASSISTANT or not turn.labels:
        return None
    return ",".join(f"{name}:{_number(value)}" for name, value in turn.labels.items())


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)


def _check_names(labels: Mapping[str, float], place: str) -> None:
    for name in labels:
        if name not in DEFAULT_NAMES:
            msg = (
                f"{place}: label {name!r} has no place in a regression record, which holds "
                f"{', '.join(DEFAULT_NAMES)}; export to NemoSft, or rename the label"
            )
            raise BadInputError(msg)


def _line(record: Mapping[str, Any]) -> bytes:  # Any: JSON
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
