"""Which tokens may follow in a label text: tries over the ids of the legal values. Pure.

A tokenizer may make several tokens of a value (`10`), or one of a value and its neighbours (`:4`,
`4,`). So whole label texts are compared, each cut into tokens as in training: where they part is
where the value is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from steerlm_jobs.attributes.labels import label_text
from steerlm_jobs.attributes.schema import Schema

TextIds = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Fork:
    """A place where legal values part."""

    path: tuple[int, ...]
    """Ids between what all values share and this place."""
    next_ids: tuple[int, ...]
    """Ids that may follow, sorted; each leads to at least one value."""


@dataclass(frozen=True, slots=True)
class ValueTrie:
    """The values that an attribute may be given at its place of a label text."""

    shared: tuple[int, ...]
    """Ids that all texts begin with."""
    forks: tuple[Fork, ...]
    """The first is right after `shared`. None: there is but one value."""
    routes: Mapping[int, tuple[tuple[int, int], ...]]
    """How each value is reached: (fork, place among its `next_ids`), from the first fork on."""

    def probabilities(self, of_forks: Sequence[Sequence[float]]) -> dict[int, float]:
        """Return the probability of each value, from those of each fork's `next_ids`."""
        return {
            value: prod(of_forks[fork][place] for fork, place in route)
            for value, route in self.routes.items()
        }


def value_trie(texts: Mapping[int, Sequence[int]]) -> ValueTrie:
    """Return the trie of texts that differ in one value.

    Args:
        texts: Token ids of the whole label text by value; none is the beginning of another.
    """
    start = _num_shared(list(texts.values())) if len(texts) > 1 else 0
    routes: dict[int, list[tuple[int, int]]] = {value: [] for value in texts}
    forks: list[Fork] = []
    waiting = [list(texts)] if len(texts) > 1 else []
    while waiting:
        values = waiting.pop(0)
        depth = _num_shared([texts[value] for value in values])
        next_ids = sorted({texts[value][depth] for value in values})
        for place, next_id in enumerate(next_ids):
            below = [value for value in values if texts[value][depth] == next_id]
            for value in below:
                routes[value].append((len(forks), place))
            if len(below) > 1:
                waiting.append(below)
        forks.append(Fork(tuple(texts[values[0]][start:depth]), tuple(next_ids)))
    shared = tuple(next(iter(texts.values()))[:start])
    return ValueTrie(shared, tuple(forks), {v: tuple(route) for v, route in routes.items()})


class LabelTries:
    """The tries of a group of attributes, by what is written before them."""

    def __init__(self, text_ids: TextIds, group: Schema) -> None:
        """Prepare a group.

        Args:
            text_ids: Cuts a label text into tokens, as in training.
            group: Its attributes, in the order of the label text.
        """
        self.group = group
        self._text_ids = text_ids
        self._tries: dict[tuple[int, ...], ValueTrie] = {}

    @property
    def longest(self) -> int:
        """Tokens of the label text with the longest of its lowest or highest values."""
        attributes = self.group.attributes
        ends = ([a.min for a in attributes], [a.max for a in attributes])
        return max(len(self._ids(values)) for values in ends)

    def trie(self, written: tuple[int, ...]) -> ValueTrie:
        """Return the trie of the attribute whose predecessors have these values."""
        if written not in self._tries:
            attribute = self.group.attributes[len(written)]
            values = range(attribute.min, attribute.max + 1)
            self._tries[written] = value_trie({v: self._ids((*written, v)) for v in values})
        return self._tries[written]

    def _ids(self, values: Sequence[int]) -> tuple[int, ...]:
        """Return the ids of the whole text; what is not written yet has its lowest value."""
        rest = [attribute.min for attribute in self.group.attributes[len(values) :]]
        labels = dict(zip(self.group.names, (*values, *rest), strict=True))
        return tuple(self._text_ids(f"{label_text(labels, self.group)}\n"))


def _num_shared(rows: Sequence[Sequence[int]]) -> int:
    """Return how many ids all rows begin with."""
    columns = zip(*rows, strict=False)
    return next((n for n, ids in enumerate(columns) if len(set(ids)) > 1), min(map(len, rows)))
