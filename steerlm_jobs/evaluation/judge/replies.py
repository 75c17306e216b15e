"""The judge's replies: each is stored as it comes, for each is paid for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from steerlm_jobs.evaluation.judge.client import Reply
from steerlm_jobs.evaluation.judge.comparisons import Comparison
from steerlm_jobs.evaluation.judge.costs import Usage
from steerlm_jobs.evaluation.judge.questions import Form, questions_of
from steerlm_jobs.store.chunks import ChunkStore


class PaidReplies:
    """Those that earlier attempts stored; those of this one join them in the store."""

    def __init__(self, chunks: ChunkStore, wanted: Sequence[Comparison], form: Form) -> None:
        """Read what is stored.

        Args:
            chunks: One row each.
            wanted: All comparisons, in an order that each attempt finds again.
            form: Says how many requests a comparison takes.
        """
        self._chunks = chunks
        sizes = (len(questions_of(comparison, form)) for comparison in wanted)
        firsts = accumulate(sizes, initial=0)
        self._firsts = {c.key: first for c, first in zip(wanted, firsts, strict=False)}
        self._replies = defaultdict[tuple[str, str], list[Reply]](list)
        for row in chunks.rows():
            self._replies[row["promptId"], row["opponent"]].append(_reply(row))

    @property
    def spent(self) -> Usage:
        """What all of them cost."""
        usages = (reply.usage for replies in self._replies.values() for reply in replies)
        return sum(usages, start=Usage())

    def of(self, comparison: Comparison) -> tuple[Reply, ...]:
        """Return the replies to the first questions of a comparison, in order."""
        return tuple(self._replies.get(comparison.key, ()))

    def keep(self, comparison: Comparison, reply: Reply) -> None:
        """Store the reply to the next question of a comparison."""
        replies = self._replies[comparison.key]
        place = self._firsts[comparison.key] + len(replies)
        self._chunks.write(range(place, place + 1), [_row(comparison, reply)])
        replies.append(reply)


def _row(comparison: Comparison, reply: Reply) -> Mapping[str, Any]:
    return {
        "promptId": comparison.prompt_id,
        "opponent": comparison.opponent,
        "text": reply.text,
        "usage": reply.usage.to_json(),
    }


def _reply(row: Mapping[str, Any]) -> Reply:
    return Reply(row["text"], Usage.from_json(row["usage"]))
