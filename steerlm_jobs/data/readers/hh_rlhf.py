"""HH-RLHF pairs: `chosen` and `rejected`, each a whole conversation as one text.

Real files hold odd turn counts, empty last turns, and two turns of one speaker in a row.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import text_field
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids

_SPEAKER: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLES: Final = {"Human": Role.USER, "Assistant": Role.ASSISTANT}


def read_hh_rlhf(
    record: Record, pairs: Literal["Both", "Chosen"], drops: Drops
) -> Iterator[RawConversation]:
    """Yield the conversations of one pair."""
    names = ["chosen"]
    if pairs == "Both" and "rejected" in record.value:
        names.append("rejected")
    for name in names:
        text = text_field(record.value, name, record.place)
        if not text:
            drops.add(Drop.EMPTY_TEXT)
            continue
        turns = _turns(text, name, record.place)
        if turns:
            yield RawConversation(record.place, with_ids(turns))
        else:
            drops.add(Drop.EMPTY_TEXT)


def _turns(text: str, name: str, place: str) -> tuple[RawTurn, ...]:
    """Return the turns with something to say; neighbours of one speaker are joined."""
    start, *pieces = _SPEAKER.split(text)
    if start.strip() or not pieces:
        msg = f"{place}: {name} does not start with 'Human:' or 'Assistant:': {text[:30]!r}"
        raise BadInputError(msg)
    turns: list[RawTurn] = []
    for speaker, body in zip(pieces[::2], pieces[1::2], strict=True):
        role, said = _ROLES[speaker], body.strip()
        if not said:
            continue
        if turns and turns[-1].role is role:
            said = f"{turns.pop().text}\n\n{said}"
        turns.append(RawTurn(role, said))
    return tuple(turns)
