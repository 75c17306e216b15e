"""HelpSteer and HelpSteer2 rows: a prompt, a response, five integers on 0..4.

A prompt of several turns is one text, with `<extra_id_1>Assistant` and `<extra_id_1>User` lines
between them, as HelpSteer2 has it.
"""

from collections.abc import Iterator
from typing import Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import number, text_field
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids
from steerlm_jobs.data.template import split_turns

LABELS: Final = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def read_helpsteer(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield the conversation of one row. A label that is null or absent is unknown."""
    prompt = text_field(record.value, "prompt", record.place)
    response = text_field(record.value, "response", record.place)
    if not prompt or not response:
        drops.add(Drop.EMPTY_TEXT)
        return
    labels: dict[str, float] = {}
    for name in LABELS:
        if record.value.get(name) is not None:
            labels[name] = number(record.value[name], f"label {name!r}", record.place)
            if not labels[name].is_integer():
                msg = f"{record.place}: label {name!r} is {labels[name]:g}, not an integer"
                raise BadInputError(msg)
    before = tuple(RawTurn(role, text.strip()) for role, text in split_turns(prompt))
    if not all(turn.text for turn in before):
        drops.add(Drop.EMPTY_TEXT)
        return
    turns = (*before, RawTurn(Role.ASSISTANT, response, labels=labels))
    yield RawConversation(record.place, with_ids(turns))
