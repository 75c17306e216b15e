"""ShareGPT rows, the family of the paper's M-SID data: `conversations: [{from, value}]`."""

from collections.abc import Iterator
from typing import Any, Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import kind_of, list_field, text_field
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids

ROLES: Final = {
    "human": Role.USER,
    "user": Role.USER,
    "gpt": Role.ASSISTANT,
    "assistant": Role.ASSISTANT,
}
_SYSTEM: Final = "system"


def read_sharegpt(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield the conversation of a row; a system turn is the system prompt, not a turn."""
    turns: list[RawTurn] = []
    system: str | None = None
    for item in list_field(record.value, "conversations", record.place):
        speaker = speaker_of(item, record.place)
        if speaker == _SYSTEM:
            system = text_field(item, "value", record.place)
            continue
        if speaker not in ROLES:
            msg = (
                f"{record.place}: 'from' is {item['from']!r}, none of {', '.join(ROLES)}, {_SYSTEM}"
            )
            raise BadInputError(msg)
        turns.append(RawTurn(ROLES[speaker], text_field(item, "value", record.place)))
    if not turns or not all(turn.text for turn in turns):
        drops.add(Drop.EMPTY_TEXT)
        return
    yield RawConversation(record.place, with_ids(tuple(turns)), system=system)


def speaker_of(item: Any, place: str) -> str:  # Any: JSON
    """Return who speaks, in lower case.

    Raises:
        BadInputError: It is no turn.
    """
    if not isinstance(item, dict):
        msg = f"{place}: a turn is {{from, value}}, not {kind_of(item)}"
        raise BadInputError(msg)
    return text_field(item, "from", place).casefold()
