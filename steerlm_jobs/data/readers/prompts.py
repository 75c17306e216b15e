"""Prompts: `{"prompt": text}` or `{"turns": [text, ...]}` a line; of several turns, the first."""

from collections.abc import Iterator

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import list_field, text_field, writable
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids


def read_prompts(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield a conversation of one user turn: what comes next depends on the answer."""
    if "prompt" in record.value:
        text = text_field(record.value, "prompt", record.place)
    else:
        turns = list_field(record.value, "turns", record.place)
        if not turns or not isinstance(turns[0], str):
            msg = f"{record.place}: a prompt has a text 'prompt', or 'turns' that start with one"
            raise BadInputError(msg)
        text = writable(turns[0]).strip()
    if text:
        yield RawConversation(record.place, with_ids((RawTurn(Role.USER, text),)))
    else:
        drops.add(Drop.EMPTY_TEXT)
