"""Rows of the generative APM: a conversation up to a labelled answer, and its labels as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.train.apm_data import ApmRows, LabelledAnswer, labelled_rows, unit_labels


@dataclass(frozen=True, slots=True, eq=False)
class LabelTextExample:
    """A conversation whose last answer's labels are written after it, and learnt."""

    ids: Tensor
    loss_mask: Tensor
    """True for the label text and its line end."""
    labels_A: Tensor
    """On the scale 0..1; anything where `known_A` is False."""
    known_A: Tensor
    """True where a person gave a label."""
    source: str

    @property
    def weight(self) -> int:
        """Target tokens."""
        return int(self.loss_mask[1:].sum())

    @property
    def prompt(self) -> tuple[int, ...]:
        """The ids up to the marker after which the labels stand."""
        return tuple(self.ids[: int(self.loss_mask.int().argmax())].tolist())


def label_text_rows(
    conversations: Iterable[Conversation],
    tokenizer: ChatTokenizer,
    schema: Schema,
    max_length_tokens: int,
) -> ApmRows[LabelTextExample]:
    """Return one row for each distinct answer that has a label; see `labelled_rows`."""

    def example(answer: LabelledAnswer) -> LabelTextExample | None:
        encoded = tokenizer.encode_values(
            answer.conversation, answer.index, answer.labels, schema, max_length_tokens
        )
        if encoded is None:
            return None
        labels_A, known_A = unit_labels(answer.labels, schema)
        return LabelTextExample(
            torch.tensor(encoded.ids, dtype=torch.int32),
            torch.tensor(encoded.loss_mask),
            labels_A,
            known_A,
            answer.conversation.source,
        )

    return labelled_rows(conversations, schema, example)


def label_groups(
    examples: Iterable[LabelTextExample], schema: Schema
) -> tuple[tuple[str, ...], ...]:
    """Return groups of attributes that occur together in training, so that each is in one.

    Of the sets of attributes that rows are labelled with, the one is taken first that says most of
    what no group says yet: attributes times rows. An attribute that no row is labelled with stands
    alone.
    """
    counts = Counter(tuple(example.known_A.tolist()) for example in examples)
    sets = {
        tuple(name for name, known in zip(schema.names, known_A, strict=True) if known): count
        for known_A, count in counts.items()
    }
    missing, groups = set(schema.names), list[tuple[str, ...]]()
    while missing & {name for names in sets for name in names}:
        gains = {names: count * len(missing & set(names)) for names, count in sets.items()}
        groups.append(max(gains, key=lambda names: (gains[names], len(names), names)))
        missing -= set(groups[-1])
    return (*groups, *((name,) for name in schema.names if name in missing))
