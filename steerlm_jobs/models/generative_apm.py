"""The attribute prediction model, generative form: a causal LM that writes an answer's labels.

Its scores are expectations over the legal values. The likeliest value is written, and the next
attribute is read after it (arXiv:2310.05344, steps 1 and 2: NVIDIA's first form of the model).
Folder: the causal LM, with `form` and `groups` in its `steerlm.json`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from steerlm_jobs.attributes.labels import from_unit, to_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.data.value_tries import Fork, LabelTries, ValueTrie
from steerlm_jobs.models.cached_rows import CachedRows
from steerlm_jobs.models.loading import best_device, load_causal_lm
from steerlm_jobs.models.steerlm_json import read_schema, read_steerlm_json

GENERATIVE: Final = "Generative"
"""What `steerlm.json` calls this form. The regression form is not named there."""
SCORING_TOKENS: Final = {"cpu": 4096, "cuda": 65_536}
"""Tokens of prompts that are read at once, padding included."""

Group = Sequence[str]
Scores = dict[str, float]
Ids = tuple[int, ...]


class GenerativeApm:
    """Scores answers by the label text that a model would write after them."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: ChatTokenizer,
        schema: Schema,
        groups: Iterable[Group],
    ) -> None:
        """Combine the parts.

        Args:
            model: A causal language model in evaluation mode, on its device.
            tokenizer: The model's.
            schema: All attributes.
            groups: Attributes that stood in one label text in training, in the schema's order. Each
                attribute is read from the first group that names it.
        """
        self.schema = schema
        self._model, self._tokenizer = model, tokenizer
        self._groups = _label_tries(tokenizer, schema, groups)

    @classmethod
    def load(cls, folder: Path) -> "GenerativeApm":
        """Load a model folder of this form, onto the accelerator if there is one."""
        model = load_causal_lm(folder)
        model.to(best_device())  # type: ignore[arg-type]  # Transformers wraps torch's overloads
        groups = read_steerlm_json(folder)["groups"]
        return cls(model, ChatTokenizer.from_folder(folder), read_schema(folder), groups)

    def score(
        self,
        conversations: Sequence[Conversation],
        max_length_tokens: int,
        on_batch: Callable[[], None] = lambda: None,
    ) -> list[list[Scores | None]]:
        """Score every assistant turn after its own prefix; see `models.scorer`."""
        room = max_length_tokens - max(tries.longest for tries in self._groups)
        encoded = [
            [
                self._tokenizer.encode_scoring(c, i, room)
                for i, turn in enumerate(c.turns)
                if turn.role is Role.ASSISTANT
            ]
            for c in conversations
        ]
        distinct = sorted({e.ids for row in encoded for e in row if e is not None})
        found = dict(zip(distinct, self.unit_scores(distinct, on_batch), strict=True))
        return [[None if e is None else self._on_scales(found[e.ids]) for e in r] for r in encoded]

    def note(self, max_length_tokens: int) -> str:  # as the protocol has it
        """Return nothing: each turn has its own prompt, and that is as it should be."""
        return ""

    @torch.no_grad()  # inference mode would break parameters that ZeRO-3 gathers in training
    def unit_scores(
        self, prompts: Sequence[Ids], on_batch: Callable[[], None] = lambda: None
    ) -> list[list[float]]:
        """Return the scores of each prompt, 0..1, in the schema's order.

        Args:
            prompts: Conversations up to the marker after which labels are written.
            on_batch: Called before each batch; may raise to leave.
        """
        found: dict[Ids, list[float]] = {}
        for batch in _batches(set(prompts), SCORING_TOKENS[self._model.device.type]):
            on_batch()
            found |= zip(batch, self._batch_scores(batch), strict=True)
        return [found[ids] for ids in prompts]

    def _batch_scores(self, prompts: Sequence[Ids]) -> list[list[float]]:
        beginning = CachedRows(self._model, prompts)
        found: list[Scores] = [{} for _ in prompts]
        for tries in self._groups:
            for row, of_group in zip(found, _group_scores(beginning.branch(), tries), strict=True):
                row.update({name: v for name, v in of_group.items() if name not in row})
        return [[row[name] for name in self.schema.names] for row in found]

    def _on_scales(self, values: Sequence[float]) -> Scores:
        attributes = self.schema.attributes
        return {a.name: from_unit(v, a) for a, v in zip(attributes, values, strict=True)}


def check_writable(tokenizer: ChatTokenizer, schema: Schema, groups: Iterable[Group]) -> None:
    """Refuse a tokenizer that cannot write labels one after the other: before training, not after.

    Tokens reach over few characters, so it is enough to vary one value between neighbours that
    are all lowest, or all highest, and to look on from there to the next but one.

    Raises:
        BadConfigError: The text cut so far would be cut otherwise with what follows it.
    """
    for tries in _label_tries(tokenizer, schema, groups):
        attributes = tries.group.attributes
        for ends in (tuple(a.min for a in attributes), tuple(a.max for a in attributes)):
            for place, attribute in enumerate(attributes):
                for value in range(attribute.min, attribute.max + 1):
                    values = (*ends[:place], value, *ends[place + 1 :])
                    _walk(tries, values[: place + 2])


def _walk(tries: LabelTries, values: Ids) -> None:
    """Write values as `_group_scores` does, up to where the next attribute's part."""
    appended: Ids = ()
    for num_written in range(min(len(values) + 1, len(tries.group.attributes))):
        appended += _new_ids(tries.trie(values[:num_written]), appended)


def _label_tries(
    tokenizer: ChatTokenizer, schema: Schema, groups: Iterable[Group]
) -> list[LabelTries]:
    return [
        LabelTries(tokenizer.text_ids, Schema(tuple(schema.scale(name) for name in group)))
        for group in groups
    ]


def _group_scores(rows: CachedRows, tries: LabelTries) -> list[Scores]:
    """Return each row's scores of a group, 0..1, while its likeliest values are written."""
    num_rows = len(rows.logits_BV)
    found: list[Scores] = [{} for _ in range(num_rows)]
    written: list[Ids] = [()] * num_rows
    appended: list[Ids] = [()] * num_rows
    for attribute in tries.group.attributes:
        current = [tries.trie(values) for values in written]
        new = [_new_ids(trie, ids) for trie, ids in zip(current, appended, strict=True)]
        rows.append(new)
        appended = [old + ids for old, ids in zip(appended, new, strict=True)]
        for row, shares in enumerate(_value_shares(rows, current)):
            expected = sum(share * value for value, share in shares.items())
            found[row][attribute.name] = to_unit(expected, attribute)
            written[row] += (max(shares, key=shares.__getitem__),)
    return found


def _new_ids(trie: ValueTrie, appended: Ids) -> Ids:
    """Return the ids from the end of a row to the first fork of the trie."""
    if not trie.forks:
        return ()
    if trie.shared[: len(appended)] != appended:
        raise BadConfigError(
            "this model's tokenizer cuts label text by what follows it, so labels cannot be written"
            " one after the other; use stages.trainApm.kind Regression"
        )
    return trie.shared[len(appended) :]


def _value_shares(rows: CachedRows, tries: Sequence[ValueTrie]) -> list[dict[int, float]]:
    """Return the probability of each value after each row, those of legal values adding up to 1."""
    of_forks: list[list[list[float]]] = [[] for _ in tries]
    for number in range(max(len(trie.forks) for trie in tries)):
        forks = [trie.forks[number] if number < len(trie.forks) else None for trie in tries]
        place = rows.branch() if number else rows
        place.append([fork.path if fork else () for fork in forks])
        for row, shares in enumerate(_fork_shares(place.logits_BV, forks)):
            of_forks[row].append(shares)
    return [trie.probabilities(shares) for trie, shares in zip(tries, of_forks, strict=True)]


def _fork_shares(logits_BV: Tensor, forks: Sequence[Fork | None]) -> list[list[float]]:
    """Return the probabilities of each fork's ids among themselves."""
    rows = [fork.next_ids if fork else (0,) for fork in forks]
    longest = max(map(len, rows))
    ids_BC = torch.tensor([[*ids, *[-1] * (longest - len(ids))] for ids in rows])
    ids_BC = ids_BC.to(logits_BV.device)
    chosen_BC = logits_BV.float().gather(1, ids_BC.clamp(min=0))
    shares_BC = chosen_BC.masked_fill(ids_BC < 0, -torch.inf).softmax(-1).tolist()
    return [shares[: len(ids)] for shares, ids in zip(shares_BC, rows, strict=True)]


def _batches(prompts: Iterable[Ids], max_tokens: int) -> list[list[Ids]]:
    """Sort prompts by length and cut them into batches of at most `max_tokens` after padding."""
    batches: list[list[Ids]] = []
    for ids in sorted(prompts, key=lambda ids: (len(ids), ids)):
        if not batches or len(ids) * (len(batches[-1]) + 1) > max_tokens:
            batches.append([])
        batches[-1].append(ids)
    return batches
