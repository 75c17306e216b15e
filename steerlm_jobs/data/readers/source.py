"""A data source as conversations: one call, whatever its format."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, assert_never

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat, Filters
from steerlm_jobs.data.readers.detect import checked_format
from steerlm_jobs.data.readers.files import Record, records
from steerlm_jobs.data.readers.helpsteer import read_helpsteer
from steerlm_jobs.data.readers.hh_rlhf import read_hh_rlhf
from steerlm_jobs.data.readers.nemo import read_nemo_regression, read_nemo_sft
from steerlm_jobs.data.readers.oasst import read_oasst
from steerlm_jobs.data.readers.oasst_rows import trees
from steerlm_jobs.data.readers.prompts import read_prompts
from steerlm_jobs.data.readers.raw import (
    Drop,
    Drops,
    RawConversation,
    alternates,
    ended_by_assistant,
)
from steerlm_jobs.data.readers.sharegpt import read_sharegpt


@dataclass(slots=True)
class SourceReader:
    """Reads a source as often as asked, in constant memory, and counts what it dropped."""

    path: Path
    declared: DataFormat = DataFormat.AUTO
    filters: Filters = field(default_factory=Filters)
    pairs: Literal["Both", "Chosen"] = "Both"
    drops: Drops = field(default_factory=Drops)
    address: str = ""
    """What `path` is a copy of, for messages; empty: it is where people think it is."""

    def format(self) -> DataFormat:
        """Return the format, detected from the first record.

        Raises:
            BadInputError: The source holds no record, one that cannot be read, or another format.
        """
        first = next(records(self.path, self.address), None)
        if first is None:
            msg = f"{self.address or self.path}: holds no record"
            raise BadInputError(msg)
        return checked_format(first, self.declared)

    def raw(self) -> Iterator[RawConversation]:
        """Yield the conversations as the format's reader gives them."""
        self.drops.clear()
        form = self.format()
        found = records(self.path, self.address)
        for record in trees(found, self.drops) if form is DataFormat.OASST else found:
            yield from self._read(record, form)

    def conversations(self) -> Iterator[RawConversation]:
        """Yield the conversations that end with an answer: trailing user turns are trimmed."""
        for raw in self.raw():
            turns = ended_by_assistant(raw.turns)
            if not turns:
                self.drops.add(Drop.SINGLE_MESSAGE)
            elif not alternates(turns):
                self.drops.add(Drop.ROLES)
            else:
                yield replace(raw, turns=turns)

    def prompts(self) -> Iterator[RawConversation]:
        """Yield the conversations up to their last user turn, to be answered anew."""
        for raw in self.raw():
            users = [i for i, turn in enumerate(raw.turns) if turn.role.value == "User"]
            turns = raw.turns[: users[-1] + 1] if users else ()
            if turns and alternates(turns):
                yield replace(raw, turns=turns)
            else:
                self.drops.add(Drop.ROLES)

    def _read(self, record: Record, form: DataFormat) -> Iterator[RawConversation]:
        match form:
            case DataFormat.OASST:
                return read_oasst(record, self.filters, self.drops)
            case DataFormat.HELPSTEER:
                return read_helpsteer(record, self.drops)
            case DataFormat.HH_RLHF:
                return read_hh_rlhf(record, self.pairs, self.drops)
            case DataFormat.PROMPTS:
                return read_prompts(record, self.drops)
            case DataFormat.SHAREGPT:
                return read_sharegpt(record, self.drops)
            case DataFormat.NEMO_SFT:
                return read_nemo_sft(record, self.drops)
            case DataFormat.NEMO_REGRESSION:
                return read_nemo_regression(record, self.drops)
            case DataFormat.AUTO:
                raise AssertionError("Auto is what is declared, never what is found")
            case _:
                assert_never(form)


def limited(
    conversations: Iterator[RawConversation], limit: int | None, drops: Drops
) -> Iterator[RawConversation]:
    """Yield at most `limit` conversations and count the rest as dropped."""
    yield from itertools.islice(conversations, limit)
    rest = sum(1 for _ in conversations)
    if rest:
        drops.add(Drop.OVER_LIMIT, rest)
