"""Prompts: `{"prompt": text}` or `{"turns": [text, ...]}` a line, as MT-bench has them.

Of several turns the first is the prompt; the others are kept for the judge, who sees them answered.
"""

from collections.abc import Iterator

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.fields import list_field, text_field, writable
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.raw import Drop, Drops, RawConversation, RawTurn, with_ids


def read_prompts(record: Record, drops: Drops) -> Iterator[RawConversation]:
    """Yield a conversation of one user turn: what comes next depends on the answer."""
    follow_ups: tuple[str, ...] = ()
    if "prompt" in record.value:
        text = text_field(record.value, "prompt", record.place)
    else:
        turns = list_field(record.value, "turns", record.place)
        if not turns or not all(isinstance(turn, str) for turn in turns):
            msg = f"{record.place}: a prompt has a text 'prompt', or 'turns' that are texts"
            raise BadInputError(msg)
        text, *later = (writable(turn).strip() for turn in turns)
        follow_ups = tuple(turn for turn in later if turn)
    if text:
        turn = RawTurn(Role.USER, text)
        yield RawConversation(record.place, with_ids((turn,)), follow_ups=follow_ups)
    else:
        drops.add(Drop.EMPTY_TEXT)
